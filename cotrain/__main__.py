"""`python -m cotrain` is `cotrain`."""

from cotrain.cli import main

if __name__ == "__main__":
    main()
