"""A JupyterLab server of its own for the checks: fresh settings, a free port, any Python environment and user.

python tools/lab.py [--model FOLDER] [--base] [--limit GB] [notebooks/01_loading.ipynb ...]

runs the notebooks in a JupyterLab server, started as Binder does, each in a new kernel as a reader does, and prints
the most memory that server and kernel took together. --base takes a random checkpoint of bert-base's shape. Binder
gives 2 GB. Linux only.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
AS_ON_BINDER = (str(ROOT / "binder" / "start"), sys.executable, "-m", "jupyter")
NEWS = "lab/user-settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"


class Lab:
    """A running server."""

    def __init__(self, port: int, token: str, process: subprocess.Popen) -> None:
        """Only serve() makes one."""
        self.port, self.token, self.process = port, token, process
        self.url = f"http://127.0.0.1:{port}"

    def call(self, method: str, path: str, content: object = None) -> object:
        """One request to the server's REST interface."""
        request = urllib.request.Request(
            f"{self.url}/api/{path}",
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={"Authorization": f"token {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def run(self, notebook: str, model: str | None = None) -> list[str]:
        """Execute a notebook, a path in the server's folder, in a new kernel; what went wrong, cell by cell."""
        import websocket

        content = self.call("GET", f"contents/{notebook}")["content"]
        path = {"path": notebook, "type": "notebook", "name": notebook, "kernel": {"name": "python3"}}
        session = self.call("POST", "sessions", path)
        channel = f"ws://127.0.0.1:{self.port}/api/kernels/{session['kernel']['id']}/channels?token={self.token}"
        socket_ = websocket.create_connection(channel, timeout=600)
        found = []
        for cell in nbformat.from_dict(content).cells:
            if cell.cell_type != "code":
                continue
            code = cell.source
            if model and "parameters" in cell.metadata.get("tags", []):
                code += f"\nMODEL = {model!r}"
            found += [f"{notebook}, cell {cell.get('id')}: {error}" for error in execute(socket_, code)]
        socket_.close()
        self.call("DELETE", f"sessions/{session['id']}")
        return found

    def memory(self) -> int:
        """Bytes that the server and its kernels hold now; a page that several share is shared out among them."""
        import psutil

        total = 0
        parent = psutil.Process(self.process.pid)
        for process in [parent, *parent.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # it may just have ended
                total += process.memory_full_info().pss
        return total

    @contextmanager
    def peak_memory(self) -> Iterator[list[int]]:
        """A list whose one number grows to the most memory seen, asked every tenth of a second."""
        peak, done = [0], threading.Event()

        def watch() -> None:
            while not done.wait(0.1):
                peak[0] = max(peak[0], self.memory())

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield peak
        finally:
            done.set()
            thread.join()


def execute(socket_: object, code: str) -> list[str]:
    """Send code to a kernel and wait for it; its error, or what it wrote to stderr."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "", "session": "check"}
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    socket_.send(json.dumps(message))
    found = []
    while True:
        answer = json.loads(socket_.recv())
        if answer["parent_header"].get("msg_id") != header["msg_id"]:
            continue
        kind, content = answer["msg_type"], answer["content"]
        if kind == "error":
            found.append(f"{content['ename']}: {content['evalue']}")
        elif kind == "stream" and content["name"] == "stderr":
            found.append(f"stderr: {content['text'][:500]}")
        elif kind == "status" and content["execution_state"] == "idle":
            return found


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serve(
    folder: Path,
    jupyter: Sequence[str] = (sys.executable, "-m", "jupyter"),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Lab]:
    """JupyterLab over `folder`, with none of the settings that this machine's user has made."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as settings:
        os.chmod(settings, 0o777)  # the server may run as another user
        news = Path(settings, NEWS)
        news.parent.mkdir(parents=True)
        news.write_text('{"fetchNews": "false", "checkForUpdates": false}')  # its question would cover the page
        for path in Path(settings).rglob("*"):
            path.chmod(0o777)
        own = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython"}
        own |= {"JUPYTER_DATA_DIR": "data", "JUPYTERLAB_SETTINGS_DIR": "lab/user-settings"}
        own |= {"JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
        environment = dict(environment or os.environ) | {name: f"{settings}/{value}" for name, value in own.items()}
        port, token = free_port(), uuid.uuid4().hex
        command = [*jupyter, "lab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
        command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}", "--allow-root"]
        command += ["--KernelManager.transport_encryption=auto"]  # or ipykernel warns on every start
        with open(Path(settings, "log"), "w") as log:
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        lab = Lab(port, token, process)
        try:
            wait_for_answer(lab, Path(settings, "log"))
            yield lab
        finally:
            process.terminate()  # it ends its kernels first
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for_answer(lab: Lab, log: Path, seconds: int = 180) -> None:
    """Return when the server answers; RuntimeError with its messages if it ends before or takes too long."""
    end = time.monotonic() + seconds
    while lab.process.poll() is None and time.monotonic() < end:
        with suppress(OSError):
            lab.call("GET", "status")
            return
        time.sleep(0.25)
    raise RuntimeError("JupyterLab did not start:\n" + log.read_text()[-3000:])


def random_base(folder: Path) -> Path:
    """A checkpoint of bert-base's shape with random weights and the tokenizer of the default checkpoint."""
    import torch
    from transformers import BertConfig, BertModel

    import bertutil

    torch.manual_seed(0)
    BertModel(BertConfig()).save_pretrained(folder)
    bertutil.load("minilm").tokenizer.save_pretrained(folder)
    return folder


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted((ROOT / "notebooks").glob("*.ipynb")))
    parser.add_argument("--model", help="what to put into MODEL")
    parser.add_argument("--base", action="store_true", help="a random checkpoint of bert-base's shape")
    parser.add_argument(
        "--limit", type=float, default=float("inf"), help="exit status 1 where a notebook takes more GB"
    )
    arguments = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "notebooks", Path(folder, "notebooks"))
        model = str(random_base(Path(folder, "base"))) if arguments.base else arguments.model
        for notebook in arguments.notebooks:
            with serve(Path(folder), AS_ON_BINDER) as lab, lab.peak_memory() as peak:
                found = lab.run(f"notebooks/{notebook.name}", model)
            print(f"{notebook.name}: {peak[0] / 1e9:.2f} GB {'; '.join(found)}", flush=True)
            failed = failed or bool(found) or peak[0] > arguments.limit * 1e9
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
