"""The main job: photos -> aligned -> inverted -> stylized in every domain, and none lost.

    python workflows/stylize_dataset.py --config configs/demo.yaml
    python workflows/stylize_dataset.py --config configs/ffhq512.yaml \
        --input s3://bucket/photos --output s3://bucket/out --bank s3://bucket/bank \
        --domains bronze,zombie --set ingest.shard_size=256

Run it again and it goes on where it was: what is committed is not computed again. Bad inputs are
rows with their reason, not errors.

Exit codes: 0 done; 1 a domain could not be adapted; 2 the call, the configuration or the storage is
wrong; 75 another job holds the output; 130 stopped by Ctrl-C.
"""

if __name__ == "__main__":  # first of all: from here on Ctrl-C is one line
    from itportrait.interrupts import end_quietly

    end_quietly(shown="stylize_dataset is starting:")

from itportrait.interrupts import run_program
from itportrait.programs.commands import run_alone, stylize_dataset


def main(arguments: list[str] | None = None) -> int:
    """Run the command `itportrait stylize-dataset` and return its exit code."""
    return run_alone(stylize_dataset, arguments)


if __name__ == "__main__":
    run_program(main)
