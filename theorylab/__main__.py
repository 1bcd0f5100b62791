"""`python -m theorylab` is the command line."""

from theorylab.cli import main

if __name__ == "__main__":
    main()
