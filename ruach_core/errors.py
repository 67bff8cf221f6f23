"""Every error that Ruach raises on purpose; `ruach_core.cli.main` turns each into one line.

A message names what is wrong, where (file, row, pack) and the remedy.
"""

from __future__ import annotations


class RuachError(Exception):
    """Base of all expected errors; `exit_code` is the command line's exit status."""

    exit_code = 1


class UserError(RuachError):
    """A wrong argument, a missing extra, a model that can't be reached."""


class DataError(RuachError):
    """A data source that can't be read as a whole (single bad clips are set aside instead)."""


class PackError(RuachError):
    """A language pack that is missing, broken, or made for another hook API."""


class PluginError(RuachError):
    """A fault inside a plugin's own code.

    Args:
        plugin: name under which the plugin is registered.
        distribution: name and version of the distribution that brought it.
        hook: the hook, or the object's method, that failed.
        reason: what happened, in one line.
        utterance_id: the utterance at which it happened, where there is one.
    """

    exit_code = 3

    def __init__(
        self,
        plugin: str,
        distribution: str,
        hook: str,
        reason: str,
        *,
        utterance_id: str | None = None,
    ) -> None:
        self.plugin = plugin
        self.distribution = distribution
        self.hook = hook
        self.reason = reason
        self.utterance_id = utterance_id
        where = f" at utterance {utterance_id!r}" if utterance_id else ""
        super().__init__(
            f"plugin {plugin!r} ({distribution}) failed in {hook}{where}: {reason}; "
            "report it to the plugin's maintainers, or uninstall the plugin"
        )

    def at(self, utterance_id: str) -> PluginError:
        """The same error with the utterance named, for a caller that knows which one it was."""
        return PluginError(
            self.plugin, self.distribution, self.hook, self.reason, utterance_id=utterance_id
        )


def require_extra(module: str, extra: str) -> UserError:
    """The error for an optional dependency that isn't installed, with the command that mends it."""
    return UserError(f"{module} is not installed: run pip install 'ruach-core[{extra}]'")
