"""`python -m prognoscope` is `prognoscope`."""

from prognoscope.cli import main

if __name__ == "__main__":
    main()
