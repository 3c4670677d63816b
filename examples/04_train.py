"""Train with the Trainer: a late best epoch kept, operating point chosen on validation, run saved and reloaded."""

from __future__ import annotations

import tempfile
from pathlib import Path

import medimg_cnn as mc


def main(work: Path) -> None:
    """Run the example; pictures and files go to the folder ``work``."""
    folder = mc.data.make_phantoms(work / "phantoms", patients=80)
    data = mc.load_dataset(folder, positive="lesion", patients="patient_id", image_size=32, seed=7)

    trainer = mc.Trainer(
        mc.build_cnn(data.image_shape, width=8, prior=data.train.prevalence, seed=7),
        augment=mc.augmentations.preset("chest_xray"),
        epochs=3,  # far too few to be good; enough to see it work
        operating_point="sensitivity",  # on validation: at least 90% sensitivity, then the best specificity
        operating_target=0.9,
        seed=7,
        directory=work / "run",
    )
    run = trainer.fit(data.train, data.validation)
    print(run)
    print(run.history[["loss", "validation_loss", "validation_auroc"]])
    run.plot_history().savefig(work / "history.png")

    again = mc.training.load_run(work / "run")
    same = (again.predict(data.test).logit == run.predict(data.test).logit).all()
    print("The saved run predicts the same:", bool(same))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
