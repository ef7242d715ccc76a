"""What Binder would do with this commit, without Docker: python tools/binder_check.py (Linux; 2 to 3 minutes)

1. The files in binder/ can run, and repo2docker, which builds Binder's images, takes them.
2. Every package in binder/environment.yml is written as conda wants it, and they are the ones of pyproject.toml:
   what bertutil and the chapters need, without the tests' own.
3. From a clean clone: pip installs the same packages into a new virtual environment, an ordinary user runs postBuild,
   which checks the checkpoint's files, `start` starts JupyterLab, and chapter 1 runs in it.

Not seen here: conda's own solution of the environment, and Binder's machines.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from tools import lab  # noqa: E402

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
    """What keeps postBuild and start from running: lost run bits, a missing first line, Windows line ends."""
    found = []
    for name in ("postBuild", "start"):
        file = root / "binder" / name
        if not file.exists():
            found.append(f"binder/{name} is missing")
            continue
        if not os.access(file, os.X_OK):
            found.append(f"binder/{name} cannot be run: git update-index --chmod=+x binder/{name}")
        text = file.read_bytes()
        if not text.startswith(b"#!/usr/bin/env bash\n") or b"\r" in text:
            found.append(f"binder/{name} must begin with #!/usr/bin/env bash and have Unix line ends")
    return found


def environment_problems(root: Path) -> list[str]:
    """Where the two environment files differ, a spec is not conda's, or pyproject.toml asks for something else."""
    from rattler import MatchSpec

    environments = [
        yaml.safe_load((root / folder / "environment.yml").read_text(encoding="utf-8")) for folder in ("", "binder")
    ]
    found = []
    if environments[0] != environments[1]:
        found.append("environment.yml and binder/environment.yml differ: copy the first over the second")
    listed = environments[1]["dependencies"]
    specs = [entry for entry in listed if isinstance(entry, str)]
    from_pip = next((entry["pip"] for entry in listed if isinstance(entry, dict)), [])
    for spec in specs:
        try:
            MatchSpec(spec, strict=True)
        except Exception as error:
            found.append(f"binder/environment.yml: conda cannot read {spec!r} ({error})")
    expected = {}
    for requirement in requirements(root):
        pip_form = f"{requirement.name} {requirement.specifier}"
        conda_form = f"{CONDA_NAMES.get(requirement.name, requirement.name)} {requirement.specifier}"
        expected[pip_form if pip_form in from_pip else conda_form] = requirement
    python = [spec for spec in specs if re.match(r"python\b", spec)]
    have = {*specs, *from_pip} - {"pip", *python}
    found += [
        f"pyproject.toml asks for {name}: binder/environment.yml lacks it" for name in sorted({*expected} - have)
    ]
    found += [f"binder/environment.yml has {name}: not in pyproject.toml" for name in sorted(have - {*expected})]
    wanted = Requirement(f"python{project(root)['requires-python']}").specifier
    if len(python) != 1 or not (one := re.fullmatch(r"python =(3\.\d+)", python[0])):
        found.append("binder/environment.yml needs one line 'python =3.N': else Binder begins with its oldest Python")
    elif not wanted.contains(f"{one[1]}.0"):
        found.append(f"binder/environment.yml has {python[0]}, and pyproject.toml asks for {wanted}")
    return found


def image_problems(root: Path) -> list[str]:
    """What repo2docker would leave out of the image."""
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "--user-id", str(USER)]
    result = subprocess.run([*command, "--user-name", "jovyan", str(root)], capture_output=True, text=True)
    recipe = result.stdout + result.stderr
    if result.returncode:
        return [f"repo2docker refuses the repository:\n{recipe[-2000:]}"]
    python = re.search(r"^ *- python =(3\.\d+)", (root / "binder/environment.yml").read_text(), re.MULTILINE)
    steps = {
        "installs binder/environment.yml": 'env update -p ${NB_PYTHON_PREFIX} --file "binder/environment.yml"',
        "runs binder/postBuild": "RUN ./binder/postBuild",
        "starts through binder/start": 'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"',
        "begins with that Python": f"py-2d{python[1].replace('.', '-2e')}-2d" if python else "a line 'python =3.N'",
    }
    return [f"repo2docker builds no image that {does}" for does, line in steps.items() if line not in recipe]


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


def user_environment(root: Path, binaries: Path) -> dict[str, str]:
    """A user's environment variables: the repository is home, as on Binder, and pip's own settings stay."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "LANG"))}
    return kept | {"HOME": str(root), "PATH": f"{binaries}:/usr/bin:/bin", "USER": "jovyan"}


def post_build_problems(root: Path, environment: Mapping[str, str]) -> list[str]:
    """Run postBuild as an ordinary user in the repository's folder."""
    command = [*ordinary_user(), "./binder/postBuild"]
    result = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    return [f"postBuild failed:\n{(result.stdout + result.stderr)[-3000:]}"] if result.returncode else []


def start_problems(root: Path, environment: Mapping[str, str]) -> list[str]:
    """Start JupyterLab as Binder does, and run chapter 1 in it."""
    with lab.serve(root, [*ordinary_user(), "./binder/start", "jupyter"], environment) as server:
        return server.run("notebooks/01_loading.ipynb")


def install(root: Path, folder: Path) -> Path:
    """The packages of pyproject.toml, at the tested versions, in a new virtual environment; its folder bin.

    The environment of conda-forge and this one are the same by environment_problems().
    """
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    command = [folder / "bin/python", "-m", "pip", "install", "-qq", "--no-compile", "-c", root / "constraints.txt"]
    subprocess.run([*command, *map(str, requirements(root))], check=True)
    give_to_user(folder)
    return folder / "bin"


def clone(folder: Path) -> Path:
    """The last commit, in a folder that belongs to the ordinary user."""
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", folder], check=True)
    give_to_user(folder)
    return folder


def give_to_user(folder: Path) -> None:
    """Make the ordinary user of ordinary_user() the owner."""
    if not os.getuid():
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, USER, USER, follow_symlinks=False)


def check(root: Path, folder: Path) -> list[str]:
    """All that is wrong with a clone; the costly parts only where the cheap ones find nothing."""
    if found := [*script_problems(root), *environment_problems(root), *image_problems(root)]:
        return found
    binaries = install(root, folder / "environment")
    if found := missing_packages(binaries / "python", requirements(root)):
        return found
    environment = user_environment(root, binaries)
    return post_build_problems(root, environment) or start_problems(root, environment)


def main() -> int:
    """Check the last commit; 1 if anything is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        found = check(clone(Path(folder, "clone")), Path(folder))
    print("\n".join(found) or "Binder would build this and open chapter 1")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
