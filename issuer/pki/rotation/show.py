"""A rotation as lines for people. Colours are the terminal's; nothing of the data is read as markup."""

from __future__ import annotations

from typing import Final

from issuer.manifests.text import shown
from issuer.pki.plan.show import show_steps
from issuer.pki.rotation.gates import GateVerdict
from issuer.pki.rotation.phases import RotationPhase
from issuer.pki.rotation.state import RotationState
from issuer.terminal.console import Console, Text

_STYLES: Final = {GateVerdict.SEEN: "green", GateVerdict.NOT_YET: "yellow", GateVerdict.UNSEEN: "magenta"}
_MESSAGE_CHARS: Final = 2000
_WIDTH: Final = max(len(one.value) for one in GateVerdict)


def show_rotation(state: RotationState, to: Console) -> None:
    """Print the phase among all, the gates, the steps of the next one, and what to do."""
    rotation = state.rotation
    to.print(
        Text.assemble(
            (f"{rotation.old} -> {rotation.new}", "bold"), f" in {rotation.mount}  ", (state.place, "dim")
        ),
        soft_wrap=True,
    )
    phases = [Text(one.value, style="bold" if one is state.phase else "dim") for one in RotationPhase]
    marked = [Text.assemble("[", one, "]") if one.style == "bold" else one for one in phases]
    to.print(Text("  ") + Text(" > ").join(marked), soft_wrap=True)
    for gate in state.gates:
        verdict = (f"  {gate.verdict.value:<{_WIDTH}}  ", _STYLES[gate.verdict])
        line = Text.assemble(verdict, (f"{gate.name.value}: ", "bold"), shown(gate.message, _MESSAGE_CHARS))
        to.print(line, soft_wrap=True)
    show_steps(state.plan, to)
    to.print(Text(f"  {shown(state.advice, _MESSAGE_CHARS)}", style="bold"), soft_wrap=True)
