"""The plugins of one process: loading, calling with time limits, disabling after failures.

pluggy keeps who implements what and refuses misfits; the calls are ours, one plugin at a time, so
that a failure has a name and stays with its owner.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pluggy

from generator.data_folders import STATE_FOLDER
from generator.errors import BadRequest, GeneratorError
from generator.hooks import Ended, Release, Stage
from generator.models.kinds import Folders
from plugins.api import ROOM, Home, Side
from plugins.call_timeouts import Hung, Leave, Watchdog
from plugins.discovery import DiscoveredPlugin, PluginOrigin, find_plugins
from plugins.errors import HookFailed, PluginError, Unfit, Withheld
from plugins.hookspecs import HOOKS, METRIC_TERMS, ROUTE_TERMS, HookTerms, hookspecs_of
from plugins.hung_mark import read_hung
from plugins.import_probe import import_faults
from plugins.part_loader import import_part, unload_modules
from plugins.plugin_status import PluginStatus, State, status_of

MAX_STRIKES = 3
UNWATCHED_SECONDS = 3600.0  # seconds: what is the job's own work is stopped by whoever asked for it
PLUGIN_CLASS = "Plugin"  # a class of this name in a part is made with its Home, and is the plugin
SEEN_FILE = "plugins-seen.json"  # in .easel: fingerprints of what imported well
STORAGE_FOLDER = "plugins"  # in .easel: a folder of its own for each plugin

SHIPPED_ONLY = ContextVar("shipped_only", default=False)
"""Whether what runs now is for somebody without extensions."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which plugins are wanted. ``required``: jobs fail while one of them is not on."""

    disabled: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    origins: frozenset[PluginOrigin] = frozenset(PluginOrigin)

    def is_wanted(self, name: str, origin: PluginOrigin) -> bool:
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
        self._seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self.folders = folders  # of models; None: those below the data directory
        self.side = side
        self.data_dir = data_dir
        self.version = version
        self.options = options
        self.log = log
        self.required: frozenset[str] = frozenset()
        self._loaded: dict[str, DiscoveredPlugin] = {}
        self._statuses: list[PluginStatus] = []
        self._registry = self._new_registry()
        self._rankings: dict[str, Mapping[str, pluggy.HookImpl]] = {}  # see _ranked
        self._lock = threading.RLock()

    @property
    def standings(self) -> tuple[PluginStatus, ...]:
        """Every plugin that was found, shipped ones first."""
        return tuple(self._statuses)

    def _new_registry(self) -> pluggy.PluginManager:
        registry = pluggy.PluginManager(ROOM)
        registry.add_hookspecs(hookspecs_of(self.side))
        return registry

    # -- loading ------------------------------------------------------------------------------

    def load(self, choice: Choice) -> None:
        """Drop what is loaded and load what is wanted; failures are kept as standings."""
        with self._lock:
            self.stop()
            self.required = choice.required
            plugins = find_plugins(self.data_dir, self.version)
            wanted = [each for each in plugins if choice.is_wanted(each.name, each.origin)]
            seen_file = self.data_dir / STATE_FOLDER / SEEN_FILE
            usable = [each for each in wanted if not each.fault]
            faults = import_faults(usable, self.side, seen_file, self.version)
            hung = read_hung(self.data_dir / STATE_FOLDER)
            for each in plugins:
                if each not in wanted:
                    self._statuses.append(status_of(each, State.OFF))
                elif each.name in hung and each.name not in choice.required:
                    self._statuses.append(status_of(each, State.STRUCK, fault=hung[each.name]))
                else:
                    self._load_one(each, each.fault or faults.get(each.name, ""))
            self._notify_all(f"{self.side}_start")

    def _load_one(self, plugin: DiscoveredPlugin, fault: str) -> None:
        started = time.perf_counter()
        hooks: tuple[str, ...] = ()
        if not fault and plugin.has(self.side):
            try:
                hooks = self._register(plugin)
            except PluginError as error:
                fault = str(error)
        if fault:
            self.log.warning("plugin %s: %s", plugin.name, fault)
        state = State.FAULTY if fault else State.ON
        seconds = time.perf_counter() - started
        status = status_of(plugin, state, fault=fault, hooks=hooks, seconds=seconds)
        self._statuses.append(status)
        if state is State.ON:
            self._loaded[plugin.name] = plugin
            self._rankings = {}

    def _register(self, plugin: DiscoveredPlugin) -> tuple[str, ...]:
        """Raises :class:`Unfit` for code that does not match the hooks or the manifest."""
        unload_modules(plugin)  # whatever an earlier load, or another host, left of it
        module: Any = import_part(plugin, self.side)
        if hasattr(module, PLUGIN_CLASS):
            module = _instantiate(module, self.home(plugin.name), self.side)
        try:
            self._registry.register(module, plugin.name)
            self._registry.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            self._unregister(plugin.name)
            raise Unfit(f"{self.side}.py: {error}") from error
        hooks = tuple(sorted(each.name for each in self._registry.get_hookcallers(module) or ()))
        undeclared = set(hooks) - set(plugin.manifest.hooks if plugin.manifest else ())
        wrapped = [name for name in hooks if self._implementation(plugin.name, name).wrapper]
        if undeclared or wrapped:
            self._unregister(plugin.name)
            fault = f"its manifest does not name {', '.join(sorted(undeclared))}"
            raise Unfit(f"{self.side}.py: {fault if undeclared else 'wrappers are not taken'}.")
        return hooks

    def _unregister(self, name: str) -> None:
        if self._registry.has_plugin(name):
            self._registry.unregister(name=name)

    def stop(self) -> None:
        """Tell every plugin that it ends, and drop it."""
        with self._lock:
            self._notify_all(f"{self.side}_stop")
            for plugin in self._loaded.values():
                unload_modules(plugin)
            self._loaded.clear()
            self._statuses.clear()
            self._registry = self._new_registry()
            self._rankings = {}

    def _notify_all(self, hook: str) -> None:
        for name in tuple(self._loaded):
            self.ask_one(name, hook, home=self.home(name))

    def home(self, name: str) -> Home:
        """What a plugin is told of where it runs."""
        storage = self.data_dir / STATE_FOLDER / STORAGE_FOLDER / name
        own = partial(self.options, name)
        return Home(name, self.data_dir, storage, own, self.ask, self.folders)

    # -- calling ------------------------------------------------------------------------------

    def chain(self, hook: str, **facts: Any) -> Any:
        """Hand the hook's value from plugin to plugin; what the last one gave.

        Raises :class:`HookFailed` where the hook's terms say that its failure ends the job, and
        :class:`Withheld` as a plugin raised it.
        """
        argument = HOOKS[hook].chain
        for each in self._ranking_of(hook).values():
            answer = self._call(each, hook, facts)
            if answer is not None:
                facts[argument] = answer
        return facts[argument]

    def chain_release(self, image: Any, stage: Stage, request: Any, caller: str) -> Release:
        """The hook ``release`` as a chain of pictures; what each plugin tells is put together.

        Plugins that are required come last, whatever others ask for: nobody paints after them.
        Raises as :meth:`chain`.
        """
        facts_told: dict[str, Any] = {}
        ranked = self._ranking_of("release").values()
        for each in sorted(ranked, key=lambda each: each.plugin_name in self.required):
            facts = {"image": image, "stage": stage, "request": request, "caller": caller}
            answer = self._call(each, "release", facts)
            if answer is not None:
                image, facts_told = answer.image, facts_told | dict(answer.facts)
        return Release(image, facts_told)

    def ask(self, hook: str, **facts: Any) -> list[tuple[str, Any]]:
        """What each plugin answers, by plugin; silence is left out."""
        ranked = self._ranking_of(hook).items()
        answers = [(name, self._call(each, hook, facts)) for name, each in ranked]
        return [(name, answer) for name, answer in answers if answer is not None]

    def ask_one(self, name: str, hook: str, **facts: Any) -> Any:
        """What one plugin answers; None where it has no such hook."""
        implementation = self._ranking_of(hook).get(name)
        return implementation and self._call(implementation, hook, facts)

    def check_required(self) -> None:
        """Raises :class:`HookFailed` while a required plugin is not on."""
        loaded = {each.name for each in self._statuses if each.state is State.ON}
        for name in sorted(self.required - loaded):
            fault = next((each.fault for each in self._statuses if each.name == name), "")
            raise HookFailed(f"The plugin {name!r} is required and not on. {fault}".strip())

    def has(self, name: str, hook: str) -> bool:
        """Whether one plugin is on and has this hook."""
        return name in self._ranking_of(hook)

    def implements(self, hook: str) -> bool:
        """Whether anybody has this hook; asked where calling costs something."""
        return bool(self._ranking_of(hook))

    @contextmanager
    def shipped_only(self) -> Iterator[None]:
        """Leave others' plugins out of whatever is called meanwhile, here and in threads that
        work for this one in a copy of its context.
        """
        token = SHIPPED_ONLY.set(True)
        try:
            yield
        finally:
            SHIPPED_ONLY.reset(token)

    def _ranking_of(self, hook: str) -> Mapping[str, pluggy.HookImpl]:
        """As :meth:`_whole_ranking_of`, of those that take part in this thread's work."""
        ranking = self._whole_ranking_of(hook)
        if not SHIPPED_ONLY.get():
            return ranking
        loaded = self._loaded
        return {
            name: each
            for name, each in ranking.items()
            if name in self.required
            or (name in loaded and loaded[name].origin is PluginOrigin.SHIPPED)
        }

    def _whole_ranking_of(self, hook: str) -> Mapping[str, pluggy.HookImpl]:
        """By plugin in calling order: tryfirst, then shipped before others, trylast at the end.

        Kept until a plugin comes or goes: some hooks are asked at each step.
        """
        rankings = self._rankings
        if hook not in rankings:
            order = list(self._loaded)
            implementations = getattr(self._registry.hook, hook).get_hookimpls()
            implementations = sorted(
                implementations, key=lambda each: order.index(each.plugin_name)
            )
            ranked = sorted(implementations, key=lambda each: (each.trylast, not each.tryfirst))
            rankings[hook] = {each.plugin_name: each for each in ranked}
        return rankings[hook]

    def _implementation(self, name: str, hook: str) -> pluggy.HookImpl:
        caller = getattr(self._registry.hook, hook)
        return next(each for each in caller.get_hookimpls() if each.plugin_name == name)

    def run(
        self, name: str, what: str, function: Callable[[], Any], terms: HookTerms = ROUTE_TERMS
    ) -> Any:
        """Call a function that a plugin gave, such as a route's.

        Raises :class:`HookFailed` naming plugin and ``what``, and what the function raises to stop
        a job.
        """
        return self._run_watched(name, what, terms, function)

    def run_quietly(self, name: str, what: str, function: Callable[[], Any]) -> Any:
        """As :meth:`run`, but None where the function fails; that is logged and noted."""
        return self._run_watched(name, what, METRIC_TERMS, function)

    def _call(self, implementation: pluggy.HookImpl, hook: str, facts: Mapping[str, Any]) -> Any:
        name, arguments = (
            implementation.plugin_name,
            [facts[each] for each in implementation.argnames],
        )
        return self._run_watched(
            name, hook, HOOKS[hook], lambda: implementation.function(*arguments)
        )

    def _run_watched(self, name: str, hook: str, terms: HookTerms, call: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        watched_call = None
        try:
            if terms.budget >= UNWATCHED_SECONDS:
                return call()
            may_leave = hook in HOOKS
            with self.watchdog.watch(name, hook, terms.budget, may_leave=may_leave) as watched_call:
                return call()
        except Hung as error:
            if watched_call is None or type(error) is not watched_call.exception_class:
                raise  # a call around this one hangs
            return self._report_hang(name, hook, terms, time.perf_counter() - started)
        except (Withheld, BadRequest, Ended):
            raise  # the plugin at work, or the job's end: no failure of it
        except (Exception, SystemExit) as error:  # a plugin's code may raise anything
            if terms.closed and isinstance(error, GeneratorError):
                raise  # what the engine said to a plugin that draws
            self.log.exception("plugin %s: %s failed", name, hook)
            self._update_status(name, last_error=f"{hook}: {type(error).__name__}: {error}")
            if terms.closed:
                raise HookFailed(f"The plugin {name!r} failed in {hook}: {error}") from error
            return None
        finally:
            seconds = time.perf_counter() - started
            with self._lock:
                self._seconds[name, hook_label(hook)] += seconds
            self._count_strike(name, hook, terms, seconds)

    def take_seconds(self) -> Mapping[tuple[str, str], float]:
        """Seconds in hooks since this was asked last, by plugin and hook."""
        with self._lock:
            seconds, self._seconds = self._seconds, defaultdict(float)
        return seconds

    def _report_hang(self, name: str, hook: str, terms: HookTerms, seconds: float) -> None:
        """A call that hung was broken off. Raises :class:`HookFailed` where its terms say so."""
        message = f"{hook} did not end; it was broken off after {seconds:.0f} s"
        self.log.error("plugin %s: %s", name, message)
        self._update_status(name, last_error=message)
        if terms.closed:
            raise HookFailed(f"The plugin {name!r} failed: {message}.")
        if name not in self.required:
            self._strike_out(name, f"{message[0].upper()}{message[1:]}.")

    def _count_strike(self, name: str, hook: str, terms: HookTerms, seconds: float) -> None:
        if seconds <= terms.budget:
            return
        message = f"{hook} took {seconds:.2f} s, {terms.budget:g} s are allowed"
        self.log.warning("plugin %s: %s", name, message)
        if terms.closed:
            return  # what guards the way out is not taken out for being slow
        with self._lock:
            strikes = next(each.strikes for each in self._statuses if each.name == name) + 1
            self._update_status(name, strikes=strikes, last_error=message)
            if strikes >= MAX_STRIKES and name not in self.required:
                self._strike_out(name, f"Too slow {MAX_STRIKES} times: {message}.")

    def _strike_out(self, name: str, reason: str) -> None:
        self.log.error("plugin %s: disabled until the next reload. %s", name, reason)
        self._update_status(name, state=State.STRUCK, fault=reason)
        self._unregister(name)
        self._loaded.pop(name, None)
        self._rankings = {}

    def _update_status(self, name: str, **changes: Any) -> None:
        with self._lock:
            self._statuses = [
                replace(each, **changes) if each.name == name and each.state is State.ON else each
                for each in self._statuses
            ]


def _instantiate(module: Any, home: Home, side: Side) -> object:
    try:
        return getattr(module, PLUGIN_CLASS)(home)
    except (Exception, SystemExit) as error:  # a plugin's code may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise Unfit(f"{side}.py: its {PLUGIN_CLASS} cannot be made: {reason}") from error


def hook_label(what: str) -> str:
    """What time is counted for: a hook, or "other" for a function that a hook gave."""
    return what if what in HOOKS else "other"
