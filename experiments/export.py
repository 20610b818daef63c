"""Write a run's encoder for use elsewhere: its weights, a program without ssl_jax, and timm's form.

python experiments/export.py --workdir runs/simclr --output exported/
"""

from absl import flags

from ssl_jax import cli
from ssl_jax.paths import expanded


def main() -> None:
    """Loads the run and writes the files."""
    from ssl_jax import load
    from ssl_jax.export.encoder import check_folder, export

    workdir, output = expanded(cli.required("workdir")), expanded(cli.required("output"))
    check_folder(output)
    for line in export(load(workdir), output):
        print(line)


if __name__ == "__main__":
    cli.define_workdir()
    flags.DEFINE_string("output", None, "the folder to write: new, or an earlier export")
    cli.run(main)
