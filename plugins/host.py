"""The plugins of one process: loading, calling with time limits, disabling after failures.

pluggy keeps who implements what and refuses misfits; the calls are ours, one plugin at a time, so
that a failure has a name and stays with its owner.
"""

import json
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import pluggy

from generator.atomic_file import write_atomically
from generator.errors import BadRequest, GeneratorError
from generator.hooks import Ended, Release, Stage
from generator.models.kinds import Folders
from plugins.errors import HookFailed, PluginError, Unfit, Withheld
from plugins.finding import Found, Origin, find_plugins
from plugins.hookspecs import ANSWER, HOOKS, QUIET, Terms, specs
from plugins.importing import forget, import_part
from plugins.nouns import ROOM, Home, Side
from plugins.probing import faults_at_import
from plugins.watchdog import Hung, Leave, Watchdog

STRIKES = 3
UNWATCHED = 3600.0  # seconds: what is the job's own work is stopped by whoever asked for it
HUNG = "plugins-hung.json"  # in .easel: those that the process was left for
MADE = "Plugin"  # a class of this name in a part is made with its Home, and is the plugin
SEEN = "plugins-seen.json"  # in .easel: fingerprints of what imported well
STORAGE = "plugins"  # in .easel: a folder of its own for each plugin


class State(StrEnum):
    """State of a plugin."""

    ON = "on"
    OFF = "off"  # disabled by the owner
    FAULTY = "faulty"  # cannot be used
    STRUCK = "struck"  # taken out: over its time too often


@dataclass(frozen=True, slots=True)
class Standing:
    """Status of one plugin, as the Extensions page shows it."""

    name: str
    title: str
    version: str
    licence: str
    description: str
    origin: Origin
    folder: Path
    state: State
    fault: str = ""  # why it is faulty or struck
    hooks: tuple[str, ...] = ()  # of this side
    permissions: tuple[str, ...] = ()
    seconds: float = 0.0  # its import and registration took
    strikes: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which plugins are wanted. ``required``: jobs fail while one of them is not on."""

    disabled: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    origins: frozenset[Origin] = frozenset(Origin)

    def wants(self, name: str, origin: Origin) -> bool:
        """Whether a plugin of this name is to be loaded."""
        return name in self.required or (origin in self.origins and name not in self.disabled)


class Host:
    """Plugins of one side. Make one in each process; nothing of it is shared."""

    def __init__(
        self,
        side: Side,
        data_dir: Path,
        version: str,
        options: Callable[[str], Mapping[str, Any]],
        log: logging.Logger,
        folders: Folders | None = None,
        leave: Leave | None = None,
    ) -> None:
        self.watchdog = Watchdog(leave)
        self._spent: defaultdict[tuple[str, str], float] = defaultdict(float)
        self.folders = folders  # of models; None: those below the data directory
        self.side = side
        self.data_dir = data_dir
        self.version = version
        self.options = options
        self.log = log
        self.required: frozenset[str] = frozenset()
        self._found: dict[str, Found] = {}
        self._standing: list[Standing] = []
        self._pluggy = self._fresh()
        self._orders: dict[str, Mapping[str, pluggy.HookImpl]] = {}  # see _ranked
        self._lock = threading.RLock()

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Every plugin that was found, shipped ones first."""
        return tuple(self._standing)

    def _fresh(self) -> pluggy.PluginManager:
        registry = pluggy.PluginManager(ROOM)
        registry.add_hookspecs(specs(self.side))
        return registry

    # -- loading ------------------------------------------------------------------------------

    def load(self, choice: Choice) -> None:
        """Drop what is loaded and load what is wanted; failures are kept as standings."""
        with self._lock:
            self.stop()
            self.required = choice.required
            found = find_plugins(self.data_dir, self.version)
            wanted = [each for each in found if choice.wants(each.name, each.origin)]
            seen = self.data_dir / ".easel" / SEEN
            sound = [each for each in wanted if not each.fault]
            faults = faults_at_import(sound, self.side, seen, self.version)
            hung = read_hung(self.data_dir / ".easel")
            for each in found:
                if each not in wanted:
                    self._standing.append(standing_of(each, State.OFF))
                elif each.name in hung and each.name not in choice.required:
                    self._standing.append(standing_of(each, State.STRUCK, fault=hung[each.name]))
                else:
                    self._load_one(each, each.fault or faults.get(each.name, ""))
            self._tell(f"{self.side}_start")

    def _load_one(self, found: Found, fault: str) -> None:
        started = time.perf_counter()
        hooks: tuple[str, ...] = ()
        if not fault and found.has(self.side):
            try:
                hooks = self._register(found)
            except PluginError as error:
                fault = str(error)
        if fault:
            self.log.warning("plugin %s: %s", found.name, fault)
        state = State.FAULTY if fault else State.ON
        seconds = time.perf_counter() - started
        made = standing_of(found, state, fault=fault, hooks=hooks, seconds=seconds)
        self._standing.append(made)
        if state is State.ON:
            self._found[found.name] = found
            self._orders = {}

    def _register(self, found: Found) -> tuple[str, ...]:
        """Raises :class:`Unfit` for code that does not match the hooks or the manifest."""
        forget(found)  # whatever an earlier load, or another host, left of it
        module: Any = import_part(found, self.side)
        if hasattr(module, MADE):
            module = _made(module, self.home(found.name), self.side)
        try:
            self._pluggy.register(module, found.name)
            self._pluggy.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            self._unregister(found.name)
            raise Unfit(f"{self.side}.py: {error}") from error
        hooks = tuple(sorted(each.name for each in self._pluggy.get_hookcallers(module) or ()))
        undeclared = set(hooks) - set(found.manifest.hooks if found.manifest else ())
        wrapped = [name for name in hooks if self._implementation(found.name, name).wrapper]
        if undeclared or wrapped:
            self._unregister(found.name)
            fault = f"its manifest does not name {', '.join(sorted(undeclared))}"
            raise Unfit(f"{self.side}.py: {fault if undeclared else 'wrappers are not taken'}.")
        return hooks

    def _unregister(self, name: str) -> None:
        if self._pluggy.has_plugin(name):
            self._pluggy.unregister(name=name)

    def stop(self) -> None:
        """Tell every plugin that it ends, and drop it."""
        with self._lock:
            self._tell(f"{self.side}_stop")
            for found in self._found.values():
                forget(found)
            self._found.clear()
            self._standing.clear()
            self._pluggy = self._fresh()
            self._orders = {}

    def _tell(self, hook: str) -> None:
        for name in tuple(self._found):
            self.ask_one(name, hook, home=self.home(name))

    def home(self, name: str) -> Home:
        """What a plugin is told of where it runs."""
        storage = self.data_dir / ".easel" / STORAGE / name
        own = partial(self.options, name)
        return Home(name, self.data_dir, storage, own, self.ask, self.folders)

    # -- calling ------------------------------------------------------------------------------

    def chain(self, hook: str, **facts: Any) -> Any:
        """Hand the hook's value from plugin to plugin; what the last one gave.

        Raises :class:`HookFailed` where the hook's terms say that its failure ends the job, and
        :class:`Withheld` as a plugin raised it.
        """
        handed = HOOKS[hook].chain
        for each in self._ranked(hook).values():
            answer = self._call(each, hook, facts)
            if answer is not None:
                facts[handed] = answer
        return facts[handed]

    def released(self, image: Any, stage: Stage, request: Any, caller: str) -> Release:
        """The hook ``release`` as a chain of pictures; what each plugin tells is put together.

        Plugins that are required come last, whatever others ask for: nobody paints after them.
        Raises as :meth:`chain`.
        """
        told: dict[str, Any] = {}
        ranked = self._ranked("release").values()
        for each in sorted(ranked, key=lambda each: each.plugin_name in self.required):
            facts = {"image": image, "stage": stage, "request": request, "caller": caller}
            answer = self._call(each, "release", facts)
            if answer is not None:
                image, told = answer.image, told | dict(answer.facts)
        return Release(image, told)

    def ask(self, hook: str, **facts: Any) -> list[tuple[str, Any]]:
        """What each plugin answers, by plugin; silence is left out."""
        ranked = self._ranked(hook).items()
        answers = [(name, self._call(each, hook, facts)) for name, each in ranked]
        return [(name, answer) for name, answer in answers if answer is not None]

    def ask_one(self, name: str, hook: str, **facts: Any) -> Any:
        """What one plugin answers; None where it has no such hook."""
        implementation = self._ranked(hook).get(name)
        return implementation and self._call(implementation, hook, facts)

    def check_required(self) -> None:
        """Raises :class:`HookFailed` while a required plugin is not on."""
        on = {each.name for each in self._standing if each.state is State.ON}
        for name in sorted(self.required - on):
            fault = next((each.fault for each in self._standing if each.name == name), "")
            raise HookFailed(f"The plugin {name!r} is required and not on. {fault}".strip())

    def has(self, name: str, hook: str) -> bool:
        """Whether one plugin is on and has this hook."""
        return name in self._ranked(hook)

    def implements(self, hook: str) -> bool:
        """Whether anybody has this hook; asked where calling costs something."""
        return bool(self._ranked(hook))

    def _ranked(self, hook: str) -> Mapping[str, pluggy.HookImpl]:
        """By plugin in calling order: tryfirst, then shipped before others, trylast at the end.

        Kept until a plugin comes or goes: some hooks are asked at each step.
        """
        kept = self._orders
        if hook not in kept:
            order = list(self._found)
            found = getattr(self._pluggy.hook, hook).get_hookimpls()
            found = sorted(found, key=lambda each: order.index(each.plugin_name))
            ranked = sorted(found, key=lambda each: (each.trylast, not each.tryfirst))
            kept[hook] = {each.plugin_name: each for each in ranked}
        return kept[hook]

    def _implementation(self, name: str, hook: str) -> pluggy.HookImpl:
        caller = getattr(self._pluggy.hook, hook)
        return next(each for each in caller.get_hookimpls() if each.plugin_name == name)

    def run(self, name: str, what: str, function: Callable[[], Any], terms: Terms = ANSWER) -> Any:
        """Call a function that a plugin gave, such as a route's.

        Raises :class:`HookFailed` naming plugin and ``what``, and what the function raises to stop
        a job.
        """
        return self._watched(name, what, terms, function)

    def run_quietly(self, name: str, what: str, function: Callable[[], Any]) -> Any:
        """As :meth:`run`, but None where the function fails; that is logged and noted."""
        return self._watched(name, what, QUIET, function)

    def _call(self, implementation: pluggy.HookImpl, hook: str, facts: Mapping[str, Any]) -> Any:
        name, given = implementation.plugin_name, [facts[each] for each in implementation.argnames]
        return self._watched(name, hook, HOOKS[hook], lambda: implementation.function(*given))

    def _watched(self, name: str, hook: str, terms: Terms, call: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        watched = None
        try:
            if terms.budget >= UNWATCHED:
                return call()
            may_leave = hook in HOOKS
            with self.watchdog.over(name, hook, terms.budget, may_leave=may_leave) as watched:
                return call()
        except Hung as error:
            if watched is None or type(error) is not watched.kind:
                raise  # a call around this one hangs
            return self._ended(name, hook, terms, time.perf_counter() - started)
        except (Withheld, BadRequest, Ended):
            raise  # the plugin at work, or the job's end: no failure of it
        except (Exception, SystemExit) as error:  # a plugin's code may raise anything
            if terms.closed and isinstance(error, GeneratorError):
                raise  # what the engine said to a plugin that draws
            self.log.exception("plugin %s: %s failed", name, hook)
            self._note(name, last_error=f"{hook}: {type(error).__name__}: {error}")
            if terms.closed:
                raise HookFailed(f"The plugin {name!r} failed in {hook}: {error}") from error
            return None
        finally:
            seconds = time.perf_counter() - started
            with self._lock:
                self._spent[name, spent_on(hook)] += seconds
            self._judge(name, hook, terms, seconds)

    def take_spent(self) -> Mapping[tuple[str, str], float]:
        """Seconds in hooks since this was asked last, by plugin and hook."""
        with self._lock:
            spent, self._spent = self._spent, defaultdict(float)
        return spent

    def _ended(self, name: str, hook: str, terms: Terms, seconds: float) -> None:
        """A call that hung was broken off. Raises :class:`HookFailed` where its terms say so."""
        told = f"{hook} did not end; it was broken off after {seconds:.0f} s"
        self.log.error("plugin %s: %s", name, told)
        self._note(name, last_error=told)
        if terms.closed:
            raise HookFailed(f"The plugin {name!r} failed: {told}.")
        if name not in self.required:
            self._strike_out(name, f"{told[0].upper()}{told[1:]}.")

    def _judge(self, name: str, hook: str, terms: Terms, seconds: float) -> None:
        if seconds <= terms.budget:
            return
        told = f"{hook} took {seconds:.2f} s, {terms.budget:g} s are allowed"
        self.log.warning("plugin %s: %s", name, told)
        if terms.closed:
            return  # what guards the way out is not taken out for being slow
        with self._lock:
            strikes = next(each.strikes for each in self._standing if each.name == name) + 1
            self._note(name, strikes=strikes, last_error=told)
            if strikes >= STRIKES and name not in self.required:
                self._strike_out(name, f"Too slow {STRIKES} times: {told}.")

    def _strike_out(self, name: str, told: str) -> None:
        self.log.error("plugin %s: disabled until the next reload. %s", name, told)
        self._note(name, state=State.STRUCK, fault=told)
        self._unregister(name)
        self._found.pop(name, None)
        self._orders = {}

    def _note(self, name: str, **changes: Any) -> None:
        with self._lock:
            self._standing = [
                replace(each, **changes) if each.name == name and each.state is State.ON else each
                for each in self._standing
            ]


def _made(module: Any, home: Home, side: Side) -> object:
    try:
        return getattr(module, MADE)(home)
    except (Exception, SystemExit) as error:  # a plugin's code may raise anything
        told = f"{type(error).__name__}: {error}"
        raise Unfit(f"{side}.py: its {MADE} cannot be made: {told}") from error


def standing_of(found: Found, state: State, **facts: Any) -> Standing:
    """A plugin that was found, in a state."""
    manifest = found.manifest
    return Standing(
        name=found.name,
        title=manifest.shown if manifest else found.name,
        version=manifest.version if manifest else "",
        licence=manifest.licence if manifest else "",
        description=manifest.description if manifest else "",
        origin=found.origin,
        folder=found.folder,
        state=state,
        permissions=tuple(manifest.permissions) if manifest else (),
        **facts,
    )


def spent_on(what: str) -> str:
    """What time is counted for: a hook, or "other" for a function that a hook gave."""
    return what if what in HOOKS else "other"


def read_hung(easel_dir: Path) -> dict[str, str]:
    """Plugins that a process was left for since the last reload, with what to tell of them."""
    try:
        return {str(name): str(told) for name, told in json.loads(_hung(easel_dir)).items()}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _hung(easel_dir: Path) -> str:
    return (easel_dir / HUNG).read_text(encoding="utf-8")


def mark_hung(easel_dir: Path, name: str, what: str) -> None:
    """Keep a plugin out of every process until the next reload: ``what`` of it does not end."""
    told = f"{what} did not end and could not be broken off; the process was started anew."
    marks = read_hung(easel_dir) | {name: told[0].upper() + told[1:]}
    write_atomically(easel_dir / HUNG, json.dumps(marks).encode())


def forget_hung(easel_dir: Path) -> None:
    """Delete the record of plugins that hung, so that the next load tries them again."""
    (easel_dir / HUNG).unlink(missing_ok=True)


def names(standings: Sequence[Standing], state: State) -> tuple[str, ...]:
    """Names of the plugins in one state."""
    return tuple(each.name for each in standings if each.state is state)
