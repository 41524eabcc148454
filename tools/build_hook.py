"""Puts compiled modules into the wheel, when that is asked for (see [tool.hatch.build.targets.wheel.hooks.custom])."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))

from compile import compile_into


class CompiledModules(BuildHookInterface[Any]):
    """The wheel then is for one Python and one system; the source of each module is in it too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            raise ValueError(
                "an editable install is pure Python: unset HATCH_BUILD_HOOK_ENABLE_CUSTOM, or leave -e out"
            )
        directory = Path(self.root) / "build" / "compiled"
        made = compile_into(directory)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"].update({str(directory / one): one.as_posix() for one in made})
