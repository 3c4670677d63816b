"use strict";
const at = id => document.getElementById(id);
const percent = share => `${(100 * share).toFixed(1)}%`;
// A rounded 0 or 100% would claim a certainty that no model has.
const chance = share => share > 0.999 ? "over 99.9%" : share < 0.001 ? "below 0.1%" : percent(share);
const spoken = name => /^[-\d.]+$/.test(name) ? `class ${name}` : name.replaceAll("_", " ");
let latest = 0, limit = Infinity;

async function about() {
  const model = await (await fetch("api/model")).json();
  const [negative, positive] = model.classes.map(spoken);
  const point = model.operating_point, past = model.performance;
  limit = model.max_bytes;
  at("limit").textContent = `, up to ${Math.floor(limit / 2 ** 20) || "less than 1"} MiB`;
  at("name").textContent = document.title = model.name;
  at("about").textContent = `Tells ${positive} from ${negative}. ${model.intended_use}`;
  at("seen").textContent = `${model.image_size[1]} × ${model.image_size[0]} pixels`;
  at("card").textContent = model.card;
  const facts = [
    ["Threshold", `${positive} from ${percent(point.threshold)} on; chosen by ${point.rule} on ${point.chosen_on}, and locked`],
    ["Not meant for", model.out_of_scope || "not said by its maker"],
    ["Unlike images", model.scope_rule || "cannot be told: the model does not know its training images"],
    ["Identity", model.sha256.slice(0, 16) || "not saved"],
  ];
  if (past) {
    facts.unshift(
      ["Sensitivity", `${past.sensitivity}, 95% interval, on ${past.positives} images of ${positive} in its ${past.part} part`],
      ["Specificity", `${past.specificity}, on ${past.images - past.positives} images of ${negative} there; elsewhere both may be lower`],
    );
  } else facts.unshift(["Performance", "not known: the model was saved without results"]);
  at("facts").replaceChildren(...facts.flatMap(([term, text]) => [element("dt", term), element("dd", text)]));
}

function element(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

function show(found, name) {
  const positive = spoken(found.positive);
  at("file-name").textContent = name;
  at("decision").textContent = found.abstain ? "no decision" : spoken(found.decision);
  at("probability").textContent =
    `probability of ${positive} ${chance(found.probability)}; called ${positive} from ${percent(found.threshold)} on`;
  at("decision").classList.toggle("doubtful", Boolean(found.out_of_scope));
  at("fill").style.width = percent(found.probability);
  at("mark").style.left = percent(Math.min(Math.max(found.threshold, 0), 1));
  at("mark-name").textContent = `probability; line: threshold`;
  at("warnings").replaceChildren(...found.warnings.map(text => element("li", text)));
  const [height, width] = found.stored_size;
  at("stored").textContent = `, stored with ${width} × ${height} pixels`;
  for (const [id, text] of [
    ["view", "The image"],
    ["map", "The image under a map of what raises the probability"],
    ["picture", "The image as prepared for the model"],
  ]) {
    at(id).src = found[id];
    at(id).alt = text;
  }
  at("result").hidden = false;
  at("drop").classList.add("done");
}

async function send(file) {
  const mine = ++latest;
  at("error").hidden = at("result").hidden = true;
  at("busy-name").textContent = file.name;
  at("busy").hidden = false;
  try {
    if (file.size > limit) throw new Error(`the file is larger than ${limit.toLocaleString("en")} bytes`);
    const answer = await fetch("api/predict?map=1", { method: "POST", body: file });
    const found = await answer.json();
    if (mine !== latest) return; // another image was dropped since
    if (!answer.ok) throw new Error(found.error);
    show(found, file.name);
  } catch (problem) {
    if (mine !== latest) return;
    const lost = problem instanceof TypeError || problem instanceof SyntaxError;
    at("error").textContent = `${file.name}: ${lost ? "no answer came. Is the command still running?" : problem.message}`;
    at("error").hidden = false;
  } finally {
    if (mine === latest) at("busy").hidden = true;
  }
}

// On the whole window: beside the field a browser would open the file in place of the page.
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, event => {
    event.preventDefault();
    at("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
  });
}
at("file").addEventListener("change", event => {
  if (event.target.files.length) send(event.target.files[0]);
  event.target.value = ""; // so that the same file can be chosen again
});
about().catch(() => {
  at("error").textContent = "The model does not answer. Is the command still running?";
  at("error").hidden = false;
});
