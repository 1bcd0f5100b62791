"""The command line. Commands are imported when used, so that `--help` answers at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from theorylab.cli.group import cli


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 as expected, 1 the opposite, 2 a usage error, 3 inconclusive, 130 interrupted."""
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
    except BrokenPipeError:
        # The reader of our output left (as `head` does): not an error, and nothing more can be written.
        sys.stderr.close()
        return 0
    except (KeyboardInterrupt, click.Abort):
        print("theorylab: interrupted; finished blocks are kept", file=sys.stderr)
        return 130
    except OSError as error:
        return _refuse(f"{error.filename or 'output'}: {error.strerror or error}")
    return code if isinstance(code, int) else 0


def _refuse(message: str) -> int:
    print(f"theorylab: {' '.join(message.split())}", file=sys.stderr)
    return 2
