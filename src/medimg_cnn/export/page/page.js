"use strict";
const at = id => document.getElementById(id);
let latest = 0;

async function about() {
  const model = await (await fetch("api/model")).json();
  at("name").textContent = model.name;
  document.title = model.name;
  at("about").textContent = `${model.classes[1]} against ${model.classes[0]}. ${model.intended_use}`;
  at("card").textContent = model.card;
}

function show(found) {
  at("decision").textContent = found.decision;
  at("probability").textContent = `probability of ${found.positive} ${(100 * found.probability).toFixed(1)}%`;
  at("threshold").textContent = `${found.positive} from ${(100 * found.threshold).toFixed(1)}% on`;
  at("warnings").replaceChildren(...found.warnings.map(text => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
  at("picture").src = found.picture;
  at("picture").alt = "The image as prepared for the model";
  at("map").src = found.map;
  at("map").alt = "The same image under its class-activation map";
  at("result").hidden = false;
}

async function send(file) {
  const mine = ++latest;
  at("error").hidden = true;
  at("result").hidden = true;
  try {
    const answer = await fetch("api/predict?map=1", { method: "POST", body: file });
    const found = await answer.json();
    if (mine !== latest) return; // another image was dropped since
    if (answer.ok) { show(found); return; }
    throw new Error(found.error);
  } catch (problem) {
    at("error").textContent = problem.message || "The image could not be sent.";
    at("error").hidden = false;
  }
}

const drop = at("drop");
for (const kind of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(kind, event => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
  });
}
at("file").addEventListener("change", event => { if (event.target.files.length) send(event.target.files[0]); });
about();
