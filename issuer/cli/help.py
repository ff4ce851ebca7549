"""Help and usage errors of all commands, in plain text that fits the terminal.

Names of options are never cut: where the help doesn't fit beside a name it goes below. Paragraphs flow,
examples stay on one line each, to be pasted. Text is printed as it is written, without markup.
"""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info
from typer.models import CommandInfo

MOST_COLUMNS: Final = 100
"""Width of the help on a wide terminal: longer lines are hard to read."""
LEAST_COLUMNS: Final = 40
_NAMES: Final = 26
"""Width of the column of names, above which the help of an option goes below its name."""
_NAME: Final = "vault-issuer"
PLUGIN_NAME: Final = "kubectl vault-issuer"
"""Name of the command as kubectl's users call it."""
BAD_USAGE: Final = 2

_USAGE_ERROR: Final[type[Exception]] = typer.BadParameter.__mro__[1]
"""Parent of Typer's usage errors, which it does not export."""

Function = TypeVar("Function", bound=Callable[..., Any])


@contextmanager
def _plain_errors(exit_code: int) -> Iterator[None]:
    """Give usage errors an exit code, and those about a value the values that there are."""
    try:
        yield
    except _USAGE_ERROR as error:
        if exit_code != BAD_USAGE:  # an outer group leaves the code of an inner one
            error.exit_code = exit_code  # type: ignore[attr-defined]
        values = possible_values(getattr(error, "param", None))
        if values and type(error) is typer.BadParameter:
            error.message = f"give {values}."
        raise


class HelpfulCommand(TyperCommand):
    """Command with plain help and errors, whose options are read from `function` when they are asked for.

    Reading those of all commands takes 50 ms, and a run needs the options of one.
    """

    def __init__(
        self, *args: Any, function: Callable[..., Any], usage_exit_code: int = BAD_USAGE, **settings: Any
    ) -> None:
        self._function: Callable[..., Any] | None = function
        self._usage_exit_code = usage_exit_code
        super().__init__(*args, **settings)

    @property
    def params(self) -> list[Any]:
        """Arguments and options, as Typer makes them of the function's parameters."""
        if self._function is not None:
            info = CommandInfo(name=self.name, callback=self._function)
            made = get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)
            self._function = None
            self._params, self.callback = made.params, made.callback
        return self._params

    @params.setter
    def params(self, params: list[Any]) -> None:
        self._params = params

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the command's arguments, as Typer does."""
        with _plain_errors(self._usage_exit_code):
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, as Typer does."""
        import_structlog()
        with _plain_errors(self._usage_exit_code):
            return super().invoke(ctx)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line behind the command's name."""
        return [*_arguments(self.get_params(ctx)), "[OPTIONS]"]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(help_text(self, ctx))


class HelpfulGroup(TyperGroup):
    """Group of commands with plain help and errors; usage errors in it exit with `usage_exit_code`."""

    usage_exit_code: ClassVar[int] = BAD_USAGE

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the group's arguments, as Typer does."""
        with _plain_errors(self.usage_exit_code):
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run a command, as Typer does; the errors of its arguments show here, too."""
        with _plain_errors(self.usage_exit_code):
            return super().invoke(ctx)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line behind the group's name."""
        return ["COMMAND", "[OPTIONS]"]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(help_text(self, ctx))


def import_structlog() -> None:
    """Import structlog without rich, which it uses for tracebacks on a terminal.

    That is 4 MB of every pod, and a tenth of the time of a short command.
    """
    hidden = "rich" not in sys.modules
    if hidden:
        sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    if hidden:
        del sys.modules["rich"]


class Commands(typer.Typer):
    """Commands that print this help: each group and command that is added gets it."""

    def __init__(self, *, cls: type[HelpfulGroup] = HelpfulGroup, **settings: Any) -> None:
        super().__init__(
            cls=cls,
            context_settings={"help_option_names": ["-h", "--help"]},
            no_args_is_help=True,
            pretty_exceptions_enable=False,
            rich_markup_mode=None,
            **settings,
        )

    def command(
        self, name: str | None = None, *, usage_exit_code: int = BAD_USAGE, **settings: Any
    ) -> Callable[[Function], Function]:
        """Return a decorator that adds a function as a command, whose usage errors exit with that code.

        Of a group the group's own code holds.
        """

        def add(function: Function) -> Function:
            later: Any = partial(HelpfulCommand, function=function, usage_exit_code=usage_exit_code)
            super(Commands, self).command(name, cls=later, **settings)(_stand_in(function))
            return function

        return add


def _stand_in(function: Callable[..., Any]) -> Callable[[], None]:
    """Return a function without parameters, which Typer may read at once, with the name and the help."""

    def stand_in() -> None:
        raise NotImplementedError

    stand_in.__name__, stand_in.__doc__ = function.__name__, function.__doc__
    return stand_in


def help_text(command: Any, ctx: Any) -> str:
    """Return the help of a command or group, as wide as the terminal allows."""
    width = max(LEAST_COLUMNS, min(MOST_COLUMNS, shutil.get_terminal_size().columns))
    parameters = [one for one in command.get_params(ctx) if not one.hidden]
    arguments = [one for one in parameters if one.param_type_name == "argument"]
    options = [one for one in parameters if one.param_type_name == "option"]
    commands = [(name, summary(one)) for name, one in sorted(getattr(command, "commands", {}).items())]
    usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    parts = [
        textwrap.fill(usage, width, initial_indent="Usage: ", subsequent_indent=" " * 7, **_WHOLE_WORDS),
        *_paragraphs(command.help or "", width),
        _entries("Commands:", commands, width),
        _entries("Arguments:", [(argument_name(one), meaning(one)) for one in arguments], width),
        _entries("Options:", [(option_names(one), meaning(one)) for one in options], width),
    ]
    return _by_name("\n\n".join(filter(None, parts)), ctx.find_root()) + "\n"


_WHOLE_WORDS: Final[dict[str, Any]] = {"break_long_words": False, "break_on_hyphens": False}


def blocks(text: str) -> Iterator[list[str]]:
    """Yield the blocks of a docstring: the lines of each paragraph; those of examples begin with spaces.

    Consecutive examples, and the line that announces them, are one block.
    """
    examples: list[str] = []
    for paragraph in text.strip("\n").split("\n\n"):
        lines = [line.rstrip() for line in paragraph.strip("\n").splitlines() if line.strip()]
        if not lines:
            continue
        if all(line.startswith("  ") for line in lines):
            examples += lines
        elif lines[0] in ("Example:", "Examples:"):
            examples = [*examples, *lines]
        else:
            if examples:
                yield examples
                examples = []
            yield lines
    if examples:
        yield examples


def is_example(block: Sequence[str]) -> bool:
    """Return True for a block that is not to be wrapped."""
    return block[-1].startswith("  ")


def _paragraphs(text: str, width: int) -> Iterator[str]:
    for block in blocks(text):
        if is_example(block):
            yield "\n".join(block)
        else:
            yield textwrap.fill(" ".join(" ".join(block).split()), width, **_WHOLE_WORDS)


def summary(command: Any) -> str:
    """Return the first paragraph of a command's help."""
    return " ".join(next(blocks(command.help or ""), [""]))


def _entries(title: str, entries: Sequence[tuple[str, str]], width: int) -> str:
    """Return names with their meanings: beside them where the name is short, else below."""
    if not entries:
        return ""
    column = min(_NAMES, max(len(name) for name, _ in entries)) + 4
    lines = [title]
    for name, text in entries:
        filled = textwrap.wrap(text, width - column, **_WHOLE_WORDS)
        if len(name) + 4 > column:
            lines += _name_lines(f"  {name}", width)
        elif filled:
            lines.append(f"  {name}".ljust(column) + filled.pop(0))
        else:
            lines.append(f"  {name}")
        lines += [" " * column + one for one in filled]
    return "\n".join(lines)


def _name_lines(names: str, width: int) -> list[str]:
    """Return the spellings of an option, one below the other where they don't fit on one line."""
    if len(names) <= width:
        return [names]
    indent = " " * (len(names) - len(names.lstrip()))
    return names.replace(", ", f",\n{indent}").split("\n")


def _arguments(parameters: Sequence[Any]) -> list[str]:
    found = [one for one in parameters if one.param_type_name == "argument" and not one.hidden]
    return [argument_name(one) if one.required else f"[{argument_name(one)}]" for one in found]


def argument_name(parameter: Any) -> str:
    """Return the word that stands for an argument."""
    name = str(parameter.metavar or parameter.name.upper())
    return name if parameter.nargs == 1 or name.endswith("...") else f"{name}..."


def option_names(parameter: Any) -> str:
    """Return the spellings of an option, the short one first, and the word that stands for its value."""
    names = sorted(parameter.opts, key=lambda name: name.startswith("--"))
    lead = "" if not names[0].startswith("--") else "    "
    text = ", ".join([*names, *parameter.secondary_opts])
    return f"{lead}{text}" if parameter.is_flag else f"{lead}{text} {value_word(parameter)}"


def value_word(parameter: Any) -> str:
    """Return the word that stands for an option's value."""
    if parameter.metavar:
        return str(parameter.metavar)
    kind = parameter.type_descriptor
    if kind.is_choice:
        return "|".join(_words(kind.choices))
    if kind.is_path:
        return "FILE"
    return "NUMBER" if kind.annotation in (int, float) else "TEXT"


def possible_values(parameter: Any) -> str:
    """Return the values that a parameter takes in words: the choices, or the bounds of a number; else ''."""
    kind = getattr(parameter, "type_descriptor", None)
    if kind is None:
        return ""
    if kind.is_choice:
        *others, last = _words(kind.choices)
        return f"{', '.join(others)} or {last}" if others else last
    if not kind.is_ranged:
        return ""
    low, high = parameter.min, parameter.max
    if high is None:
        return f"a number of at least {low}"
    return f"a number up to {high}" if low is None else f"a number from {low} to {high}"


def default_value(parameter: Any) -> str:
    """Return the default as one would type it, '' where there is none."""
    value = parameter.default() if callable(parameter.default) else parameter.default
    value = getattr(value, "value", value)
    if value is None or value in ((), [], ""):
        return ""
    if isinstance(value, bool):
        names = parameter.opts if value else parameter.secondary_opts
        return str(names[0]) if names and parameter.secondary_opts else ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def meaning(parameter: Any) -> str:
    """Return the help of a parameter, with its bounds, variable and default."""
    told = " ".join((parameter.help or "").split())
    kind, default = parameter.type_descriptor, default_value(parameter)
    extra = [
        f"{possible_values(parameter).capitalize()}." if kind.is_ranged else "",
        f"Also by the variable {parameter.envvar}." if parameter.envvar else "",
        f"Default: {default}." if default else "",
        "Required." if parameter.required and parameter.param_type_name == "option" else "",
    ]
    return " ".join(filter(None, [told, *extra]))


def _words(choices: Sequence[Any]) -> list[str]:
    return [str(one.value if isinstance(one, Enum) else one) for one in choices]


def _by_name(text: str, root: Any) -> str:
    """Return a text whose commands are called as this run was: by kubectl, as its plugin."""
    if root.info_name != PLUGIN_NAME:
        return text
    commands = "|".join(sorted(map(re.escape, getattr(root.command, "commands", {}))))
    return re.sub(rf"(?<![\w./-])(?<!kubectl ){_NAME}(?= (?:{commands})\b)", PLUGIN_NAME, text)
