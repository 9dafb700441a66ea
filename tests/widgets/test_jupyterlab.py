"""The explorables in a running JupyterLab: their state is in step with Python, both ways."""

import json
import os
import secrets
import subprocess
import sys
import time

import nbformat
import pytest
from jupyter_client import BlockingKernelClient
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, Page

from .conftest import EXPLORABLES
from .controls import controls, state, work

PATIENCE = 60  # seconds for JupyterLab, which is slow to start on a busy machine
#: Counts what outlives a view: listeners on what is there for ever, and observers.
COUNT_LISTENERS = """
window.outliving = 0;
const everlasting = (target) =>
  [window, document, document.body, document.documentElement].includes(target);
const from_a_module = () => new Error().stack.includes("blob:");
const { addEventListener } = EventTarget.prototype;
EventTarget.prototype.addEventListener = function (type, act, options) {
  const target = this ?? window;
  if (everlasting(target) && from_a_module()) {
    window.outliving++;
    options?.signal?.addEventListener("abort", () => window.outliving--);
  }
  return addEventListener.call(target, type, act, options);
};
for (const name of ["ResizeObserver", "MutationObserver", "IntersectionObserver"]) {
  const Observer = window[name];
  window[name] = class extends Observer {
    observe(...what) {
      if (!this.counted && from_a_module()) window.outliving++, this.counted = true;
      return super.observe(...what);
    }
    disconnect() {
      if (this.counted) window.outliving--, this.counted = false;
      return super.disconnect();
    }
  };
}
"""


class Lab:
    """A notebook that is open in JupyterLab, with its kernel to ask."""

    def __init__(self, page: Page, kernel: BlockingKernelClient) -> None:
        self.page, self.kernel = page, kernel

    def ask(self, expression: str):
        """The value of an expression in the notebook's kernel."""
        reply = self.kernel.execute_interactive(
            "", user_expressions={"value": f"__import__('json').dumps({expression})"}, timeout=30
        )
        answer = reply["content"]["user_expressions"]["value"]
        assert answer["status"] == "ok", answer
        return json.loads(eval(answer["data"]["text/plain"]))

    def run(self, code: str) -> None:
        reply = self.kernel.execute_interactive(code, timeout=30)
        assert reply["content"]["status"] == "ok", reply["content"]

    def root(self, name: str) -> Locator:
        cell = self.page.locator(".jp-CodeCell").nth(1 + EXPLORABLES.index(name))
        cell.scroll_into_view_if_needed()
        root = cell.locator(".g3x")
        root.wait_for(timeout=PATIENCE * 1000)
        return root


def wait_for(condition, what: str):
    """What the condition gives as soon as it gives something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.2)
    pytest.fail(f"waited {PATIENCE} s for {what}")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A JupyterLab of its own, on this machine alone, that ends with the tests."""
    folder = tmp_path_factory.mktemp("lab")
    made = f"shown = {{name: getattr(widgets, name)() for name in {EXPLORABLES}}}"
    cells = [f"from gather3d import widgets\n{made}"]
    cells += [f"shown[{name!r}]" for name in EXPLORABLES]
    notebook = new_notebook(cells=[new_code_cell(source) for source in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    (folder / "work").mkdir()
    nbformat.write(notebook, folder / "work" / "explorables.ipynb")
    token = secrets.token_hex(16)
    homes = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    environment = {f"JUPYTER_{home}": str(folder / home.lower()) for home in homes}
    environment |= {
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder / 'work'}"]
    with (folder / "lab.log").open("w") as log:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log)
        try:
            runtime = folder / "runtime_dir"
            found = wait_for(lambda: list(runtime.glob("jpserver-*.json")), "JupyterLab to start")
            address = json.loads(found[0].read_text())["url"]
            yield f"{address}lab/tree/explorables.ipynb?token={token}", runtime
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture(scope="session")
def lab(browser, server):
    """The notebook, all of its cells executed."""
    address, runtime = server
    page = browser.new_page(viewport={"width": 1400, "height": 1000}, reduced_motion="reduce")
    page.add_init_script(COUNT_LISTENERS)
    page.goto(address)
    page.locator(".jp-CodeCell").first.wait_for(timeout=PATIENCE * 1000)
    files = wait_for(lambda: list(runtime.glob("kernel-*.json")), "the kernel")
    kernel = BlockingKernelClient(connection_file=str(files[0]))
    kernel.load_connection_file()
    kernel.hb_channel.time_to_dead = 5.0  # of a kernel that is merely slow: 1 s is its default
    kernel.start_channels()
    kernel.wait_for_ready(timeout=PATIENCE)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.locator(".g3x").first.wait_for(timeout=PATIENCE * 1000)
    yield Lab(page, kernel)
    kernel.stop_channels()
    page.close()


def traits(lab: Lab, name: str) -> dict:
    """The state that Python has, less what never changes."""
    return lab.ask(
        f"{{k: repr(v) for k, v in shown[{name!r}].get_state().items() if not k.startswith('_')}}"
    )


@pytest.mark.parametrize("way", ["keyboard", "mouse"])
@pytest.mark.parametrize("name", EXPLORABLES)
def test_python_follows_every_control(lab, name, way):
    """Each control changes a trait in the kernel; a button may also change only what is seen."""
    root = lab.root(name)
    answered = 0
    for control in controls(root):
        before, seen = traits(lab, name), state(root)
        if not work(control, way):
            continue
        button = control.get_attribute("type") == "button"
        wait_for(
            lambda: traits(lab, name) != before or (button and state(root) != seen),  # noqa: B023
            f"{control} of {name}",
        )
        answered += 1
    assert answered


@pytest.mark.parametrize("name", EXPLORABLES)
def test_a_view_that_ends_leaves_nothing(lab, name):
    """Shown again and again, an explorable listens to as much as when it was shown once."""
    lab.root(name)
    cell = lab.page.locator(".jp-CodeCell").nth(1 + EXPLORABLES.index(name))
    counts = []
    for _ in range(3):
        old = cell.locator(".g3x").element_handle()
        cell.locator(".jp-InputArea-editor").click()
        lab.page.keyboard.press("Control+Enter")
        wait_for(lambda old=old: not old.evaluate("el => el.isConnected"), "the old view to go")
        cell.locator(".g3x").wait_for()
        lab.page.wait_for_timeout(300)
        counts.append(lab.page.evaluate("outliving"))
    assert counts[0] == counts[1] == counts[2]


def test_a_change_from_python_shows(lab):
    root = lab.root("GatherExplorer")
    lab.run("shown['GatherExplorer'].set_state({'input': [7, 8, 9], 'index': [2, 2], 'dim': 0})")
    output = root.locator('[data-table="output"] [data-place]')
    wait_for(lambda: output.all_text_contents() == ["9", "9"], "the output to follow")
    root.locator('[data-table="index"] [data-place="0"]').press("ArrowDown")
    wait_for(lambda: lab.ask("shown['GatherExplorer'].index") == [1, 2], "Python to follow")
    assert lab.ask("shown['GatherExplorer'].output.tolist()") == [8, 9]
