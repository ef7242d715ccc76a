"""What Binder would do with this commit, without Docker: python tools/binder_check.py (Linux; 3 minutes)

1. The branch `binder`, as .github/workflows/binder.yml makes it of the folder binder/: its script can run, and
   repo2docker, which builds Binder's images, takes it.
2. binder/requirements.txt has all that the extra lab asks for, and nbgitpuller, as constraints.txt pins it; and
   environment.yml, for conda, asks for the packages of pyproject.toml.
3. pip installs binder/requirements.txt into a new virtual environment; there `start` starts JupyterLab as an ordinary
   user, nbgitpuller fetches the last commit as a link of the README asks it to, and chapter 1 runs, which installs
   bertutil first: from the last commit too.

Not seen here: conda's own solution of environment.yml, Binder's Python if it is another one, and Binder's machines.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from tools import address, lab  # noqa: E402

USER = 1000  # as on Binder
CONDA_NAMES = {
    "torch": "pytorch-cpu",
    "matplotlib": "matplotlib-base",
    "huggingface-hub": "huggingface_hub",
}
INSTALLED = """
import sys
from importlib.metadata import PackageNotFoundError, version
from packaging.requirements import Requirement
for requirement in map(Requirement, sys.argv[1:]):
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        found = None
    if found is None or not requirement.specifier.contains(found, prereleases=True):
        print(f"{requirement} is asked for, and the environment has {found or 'none'}")
"""


def project(root: Path) -> Mapping:
    """The table `project` of pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements(root: Path) -> list[Requirement]:
    """What the environment must hold: what bertutil and the chapters need."""
    lab_needs = project(root)["optional-dependencies"]["lab"]
    return [Requirement(text) for text in [*project(root)["dependencies"], *lab_needs]]


def script_problems(root: Path) -> list[str]:
    """What keeps binder/start from running: a lost run bit, a missing first line, Windows line ends."""
    file = root / "binder" / "start"
    if not file.exists():
        return ["binder/start is missing"]
    found = []
    if not os.access(file, os.X_OK):
        found.append("binder/start cannot be run: git update-index --chmod=+x binder/start")
    text = file.read_bytes()
    if not text.startswith(b"#!/usr/bin/env bash\n") or b"\r" in text:
        found.append("binder/start must begin with #!/usr/bin/env bash and have Unix line ends")
    return found


def pin_problems(root: Path) -> list[str]:
    """What binder/requirements.txt lacks of the extra lab, or pins otherwise than constraints.txt."""
    pins, tested = (
        {line for line in (root / name).read_text(encoding="utf-8").splitlines() if "==" in line}
        for name in ("binder/requirements.txt", "constraints.txt")
    )
    found = [f"binder/requirements.txt has {pin}, and constraints.txt not" for pin in sorted(pins - tested)]
    names = {canonicalize_name(Requirement(pin).name) for pin in pins}
    needed = {canonicalize_name(r.name) for r in requirements(root)} | {"nbgitpuller"}
    found += [f"binder/requirements.txt lacks {name}" for name in sorted(needed - names)]
    return [f"{problem}: python tools/lock.py" for problem in found]


def environment_problems(root: Path) -> list[str]:
    """Where a spec of environment.yml is not conda's, or pyproject.toml asks for something else."""
    from rattler import MatchSpec

    found = []
    listed = yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    specs = [entry for entry in listed if isinstance(entry, str)]
    from_pip = next((entry["pip"] for entry in listed if isinstance(entry, dict)), [])
    for spec in specs:
        try:
            MatchSpec(spec, strict=True)
        except Exception as error:
            found.append(f"environment.yml: conda cannot read {spec!r} ({error})")
    expected = {}
    for requirement in requirements(root):
        pip_form = f"{requirement.name} {requirement.specifier}"
        conda_form = f"{CONDA_NAMES.get(requirement.name, requirement.name)} {requirement.specifier}"
        expected[pip_form if pip_form in from_pip else conda_form] = requirement
    python = [spec for spec in specs if re.match(r"python\b", spec)]
    have = {*specs, *from_pip} - {"pip", *python}
    found += [f"pyproject.toml asks for {name}: environment.yml lacks it" for name in sorted({*expected} - have)]
    found += [f"environment.yml has {name}: not in pyproject.toml" for name in sorted(have - {*expected})]
    wanted = Requirement(f"python{project(root)['requires-python']}").specifier
    if len(python) != 1 or not (one := re.fullmatch(r"python =(3\.\d+)", python[0])):
        found.append("environment.yml needs one line 'python =3.N'")
    elif not wanted.contains(f"{one[1]}.0"):
        found.append(f"environment.yml has {python[0]}, and pyproject.toml asks for {wanted}")
    return found


def image_problems(root: Path) -> list[str]:
    """What repo2docker would leave out of the image of the branch that binder/ becomes."""
    with tempfile.TemporaryDirectory() as folder:
        branch = shutil.copytree(root / "binder", Path(folder, "branch"))
        command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "--user-id", str(USER)]
        result = subprocess.run([*command, "--user-name", "jovyan", branch], capture_output=True, text=True)
    recipe = result.stdout + result.stderr
    if result.returncode:
        return [f"repo2docker refuses the branch:\n{recipe[-2000:]}"]
    steps = {
        "installs requirements.txt": '-r "requirements.txt"',
        "starts through start": 'R2D_ENTRYPOINT="${REPO_DIR}/start"',
        "begins with runtime.txt's Python": f"py-2d{python_of_image(root).replace('.', '-2e')}-2d",
    }
    return [f"repo2docker builds no image that {does}" for does, line in steps.items() if line not in recipe]


def python_of_image(root: Path) -> str:
    """Such as "3.13"; "none" where binder/runtime.txt names none."""
    file = root / "binder" / "runtime.txt"
    found = re.fullmatch(r"python-(3\.\d+)\n", file.read_text(encoding="utf-8")) if file.exists() else None
    return found[1] if found else "none"


def missing_packages(python: Path | str, needed: Iterable[Requirement]) -> list[str]:
    """The requirements that the environment of a Python does not meet."""
    command = [str(python), "-c", INSTALLED, *map(str, needed)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def ordinary_user() -> list[str]:
    """A command's beginning that makes an ordinary user of root.

    This user may read everything, since the Python that runs here may lie in root's own folder, and write as USER.
    """
    if os.getuid():
        return []
    rights = "-all,+dac_read_search"
    user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", f"--inh-caps={rights}"]
    return [*user, f"--ambient-caps={rights}", f"--bounding-set={rights}"]


def user_environment(home: Path, binaries: Path) -> dict[str, str]:
    """A user's environment variables; pip's own settings stay."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "LANG"))}
    return kept | {"HOME": str(home), "PATH": f"{binaries}:/usr/bin:/bin", "USER": "jovyan"}


def start_problems(root: Path, home: Path, environment: Mapping[str, str]) -> list[str]:
    """Start JupyterLab as Binder does, fetch the clone `root` as a link asks for it, and run chapter 1."""
    here = address.read(root)
    variables = {**environment, **redirected(root, here.slug), "HOME": str(home)}
    with lab.serve(home, [*ordinary_user(), str(root / "binder" / "start"), "jupyter"], variables) as server:
        fetch(server, here.binder("01_loading.ipynb"))
        return server.run("course/notebooks/01_loading.ipynb")


def fetch(server: lab.Lab, link: str) -> None:
    """Do what the part of Binder's link behind urlpath= asks the server for."""
    (path,) = parse_qs(urlsplit(link).query)["urlpath"]
    asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    query = urlencode({"repo": asked["repo"], "branch": asked["branch"], "targetpath": asked["targetPath"]})
    request = urllib.request.Request(f"{server.url}/git-pull/api?{query}&token={server.token}")
    with urllib.request.urlopen(request, timeout=120) as answer:
        said = answer.read().decode()
    if '"phase": "finished"' not in said:
        raise RuntimeError(f"nbgitpuller did not fetch the repository:\n{said[-2000:]}")


def redirected(repository: Path, slug: str) -> dict[str, str]:
    """Environment variables with which git reads `repository` in the place of the one on GitHub, and no other."""
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{repository}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://github.com/{slug}",
        "GIT_ALLOW_PROTOCOL": "file",  # a connection to another machine fails
    }


def install(root: Path, folder: Path) -> Path:
    """The packages of binder/requirements.txt in a new virtual environment; its folder bin."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    command = [folder / "bin/python", "-m", "pip", "install", "-qq", "--no-compile"]
    subprocess.run([*command, "-r", root / "binder" / "requirements.txt"], check=True)
    give_to_user(folder)
    return folder / "bin"


def clone(folder: Path) -> Path:
    """The last commit, under the name of the branch that the links open, in a folder of the ordinary user."""
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", folder], check=True)
    subprocess.run(["git", "checkout", "--quiet", "-B", address.read(folder).ref], cwd=folder, check=True)
    give_to_user(folder)
    return folder


def give_to_user(folder: Path) -> None:
    """Make the ordinary user of ordinary_user() the owner."""
    if not os.getuid():
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, USER, USER, follow_symlinks=False)


def check(root: Path, folder: Path) -> list[str]:
    """All that is wrong with a clone; the costly parts only where the cheap ones find nothing."""
    if found := [*script_problems(root), *pin_problems(root), *environment_problems(root), *image_problems(root)]:
        return found
    binaries = install(root, folder / "environment")
    if found := missing_packages(binaries / "python", requirements(root)):
        return found
    home = folder / "home"
    home.mkdir()
    give_to_user(home)
    return start_problems(root, home, user_environment(home, binaries))


def main() -> int:
    """Check the last commit; 1 if anything is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        found = check(clone(Path(folder, "clone")), Path(folder))
    print("\n".join(found) or "Binder would build this and open chapter 1")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
