"""The command line. Commands are imported when used, so that `--help` answers at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from theorylab.cli.group import ReaderLeftError, cli


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 as expected, 1 the opposite, 2 a mistake, 3 inconclusive, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or file that cannot show a letter gets a question mark in its place.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code. Every mistake is one line on standard error."""
    import click

    from theorylab.errors import TheorylabError

    try:
        code = cli.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return 2
    except click.ClickException as error:
        return _refuse(error.format_message())
    except TheorylabError as error:
        _refuse(str(error))
        return error.exit_code
    except (ReaderLeftError, BrokenPipeError):
        _drop_output()
        return 141
    except (KeyboardInterrupt, click.Abort):
        print("theorylab: interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        _drop_output()
        return _refuse(f"{error.filename or 'output'}: {error.strerror or error}")
    except MemoryError as error:
        return _refuse(f"not enough memory ({error})" if str(error) else "not enough memory")
    except Exception as error:
        if (line := _in_own_file(error)) is None:
            raise
        return _refuse(line)
    return code if isinstance(code, int) else 0


def _refuse(message: str) -> int:
    print(f"theorylab: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _drop_output() -> None:
    """Let what Python still holds for standard output go nowhere, where it cannot fail again at exit."""
    try:
        output = sys.stdout.fileno()
    except OSError:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, output)
    os.close(nowhere)


def _in_own_file(error: Exception) -> str | None:
    """An error that came out of a file of the user's in one line, or None for an error of ours."""
    from theorylab.blame import blamed, one_line
    from theorylab.registry import loaded_folders

    if any(blamed(error, folder) for folder in loaded_folders()):
        return one_line(error)
    return None
