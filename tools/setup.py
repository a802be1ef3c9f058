#!/usr/bin/env python3
"""Brings what the build needs: system packages (Debian and Ubuntu), the WebGPU library, the ONNX schema, with --tests also the oracle and what
the Python package is built with, with --python the headers of the interpreter that runs this.

Everything but the system packages goes to .deps/, from pip's configured index, with pinned versions and checked SHA-256 sums.
Work that is already done is not repeated: a run with nothing to do takes a fraction of a second.
"""

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEPS = ROOT / ".deps"
TOOLS = ROOT / "tools"
MIN_CMAKE = (3, 22)
MIN_CARGO = (1, 85)
MIN_TEST_PYTHON = (3, 11)

LIBRARIES = ["libvulkan1", "libprotobuf-dev", "protobuf-compiler", "nlohmann-json3-dev", "libcli11-dev", "libfmt-dev", "libspdlog-dev"]
TEST_LIBRARIES = ["libgtest-dev"]
ICD_FOLDERS = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "~/.local/share/vulkan/icd.d"]

# Files taken out of the wheels in requirements-build.txt: package name -> names inside the wheel.
EXTRACT = {
    "wgpu": re.compile(r"wgpu/resources/(webgpu\.h|wgpu\.h|(lib)?wgpu_native-release\.(so|dylib|dll))$"),
    "onnx": re.compile(r"onnx/onnx-ml\.proto$"),
}


def say(text):
    print(f"setup: {text}", file=sys.stderr, flush=True)


def stop(text):
    say(text)
    raise SystemExit(1)


def version_of(command):
    """(major, minor) that `COMMAND --version` prints, or None if it cannot run."""
    try:
        text = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


# --- system packages -------------------------------------------------------------------------------------------------------------


def has_vulkan_driver():
    if os.environ.get("VK_DRIVER_FILES") or os.environ.get("VK_ICD_FILENAMES"):
        return True
    return any(folder.is_dir() and any(folder.glob("*.json")) for folder in (Path(f).expanduser() for f in ICD_FOLDERS))


def not_installed(packages):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Status}\n", *packages], capture_output=True, text=True)
    installed = {line.split()[0] for line in done.stdout.splitlines() if line.endswith("install ok installed")}
    return [p for p in packages if p not in installed]


def test_python():
    """An interpreter that the oracle's wheels exist for, or None."""
    if sys.version_info[:2] >= MIN_TEST_PYTHON:
        return sys.executable
    names = [f"python3.{minor}" for minor in (14, 13, 12, 11)]
    return next((path for path in map(shutil.which, names) if path), None)


def headers_package(python):
    """The package of an interpreter's C headers, or None if they are there."""
    code = "import os, sys, sysconfig; print(sysconfig.get_path('include')); print(os.path.realpath(sys.executable))"
    folder, file = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    if (Path(folder) / "Python.h").is_file():
        return None
    return f"{Path(file).name}-dev"  # /usr/bin/python3.11: python3.11-dev


def missing_packages(tests, python):
    missing = []
    if not any(map(shutil.which, ("c++", "g++", "clang++"))):
        missing.append("g++")
    if (version_of("cmake") or (0, 0)) < MIN_CMAKE:
        missing.append("cmake")
    if not shutil.which("ninja"):
        missing.append("ninja-build")
    if subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True).returncode:
        missing.append("python3-venv")
    if tests and not test_python():
        missing += ["python3.11", "python3.11-venv", "python3.11-dev"]
    for interpreter in filter(None, (test_python() if tests else None, python)):
        missing += [p for p in [headers_package(interpreter)] if p and p not in missing]
    missing += not_installed(LIBRARIES + (TEST_LIBRARIES if tests else []))
    if not has_vulkan_driver():
        missing.append("mesa-vulkan-drivers")  # lavapipe: Vulkan on the CPU
    return missing


def has_cargo():
    return (version_of("cargo") or (0, 0)) >= MIN_CARGO and version_of("rustc") is not None


def cargo_package():
    """The distribution's package of a new enough cargo, or None. Debian names it cargo-web, Ubuntu cargo-1.NN."""
    for name in ("cargo", "cargo-web"):
        policy = subprocess.run(["apt-cache", "policy", name], capture_output=True, text=True).stdout
        found = re.search(r"Candidate: (?:\d+:)?(\d+)\.(\d+)", policy)
        if found and (int(found[1]), int(found[2])) >= MIN_CARGO:
            return name
    names = subprocess.run(["apt-cache", "search", "--names-only", r"^cargo-1\.[0-9]+$"], capture_output=True, text=True).stdout
    minors = sorted(int(m) for m in re.findall(r"^cargo-1\.(\d+)", names, re.M) if (1, int(m)) >= MIN_CARGO)
    return f"cargo-1.{minors[0]}" if minors else None


def use_versioned_cargo(package):
    """Puts cargo-1.NN and its rustc under their plain names into .deps/rust, which the Makefile has in PATH."""
    folder = DEPS / "rust"
    folder.mkdir(parents=True, exist_ok=True)
    suffix = package[len("cargo"):]
    for name in ("cargo", "rustc"):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(shutil.which(name + suffix) or f"/usr/bin/{name}{suffix}")


def privilege():
    """The prefix of commands that install packages, or None without the right to."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None


def install_packages(tests, python):
    missing = missing_packages(tests, python)
    needs_cargo = not has_cargo()
    if not missing and not needs_cargo:
        return
    prefix = privilege()
    if prefix is None:
        names = missing + ([cargo_package() or "cargo"] if needs_cargo else [])
        stop(f"these packages are missing and cannot be installed from here. Run this, then start again:\n"
             f"  sudo apt-get install --no-install-recommends {' '.join(names)}")
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    subprocess.run([*apt, "update"], stdout=subprocess.DEVNULL)
    cargo = None
    if needs_cargo:
        cargo = cargo_package()
        if not cargo:
            stop(f"cargo {MIN_CARGO[0]}.{MIN_CARGO[1]} or newer is needed and this distribution has none: install it with rustup")
        missing.append(cargo)
    say(f"installing {' '.join(missing)}")
    if subprocess.run([*apt, "install", "-y", "--no-install-recommends", *missing], stdout=subprocess.DEVNULL).returncode:
        stop(f"apt-get failed. Run this to see why, then start again:\n"
             f"  sudo apt-get install --no-install-recommends {' '.join(missing)}")
    if cargo and "-1." in cargo:
        use_versioned_cargo(cargo)


def check_system(tests, python):
    if shutil.which("apt-get") and shutil.which("dpkg-query"):
        return install_packages(tests, python)
    wanted = {"cmake": (version_of("cmake") or (0, 0)) >= MIN_CMAKE, "ninja": shutil.which("ninja"), "cargo": has_cargo(),
              "protoc": shutil.which("protoc")}
    absent = [name for name, found in wanted.items() if not found]
    if absent:
        stop(f"please install: a C++20 compiler, cmake {MIN_CMAKE[0]}.{MIN_CMAKE[1]}, ninja, cargo {MIN_CARGO[0]}.{MIN_CARGO[1]}, protobuf, "
             f"nlohmann-json, CLI11, fmt, spdlog, GoogleTest and a Vulkan driver with its loader (not found: {', '.join(absent)})")


# --- .deps ---------------------------------------------------------------------------------------------------------------------


def stamp(name, *inputs):
    """(file, text): the text changes with everything that the step's result depends on."""
    digest = hashlib.sha256(b"\0".join(i.read_bytes() if isinstance(i, Path) else str(i).encode() for i in inputs)).hexdigest()
    return DEPS / f"{name}.stamp", digest


def is_done(file, text):
    return file.is_file() and file.read_text() == text


def run(*command):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        stop(f"this failed: {' '.join(str(c) for c in command)}\n{done.stdout}")


def venv_python():
    """The interpreter of .deps/venv, made on first use: system Pythons may lack pip or refuse to install."""
    folder = DEPS / "venv"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    base = test_python() or sys.executable
    file, text = stamp("venv", base, str(folder))
    if not (is_done(file, text) and python.exists()):
        say("making .deps/venv")
        shutil.rmtree(folder, ignore_errors=True)
        (DEPS / "tests.stamp").unlink(missing_ok=True)
        run(base, "-m", "venv", folder)
        file.write_text(text)
    return python


def fetch_build_dependencies():
    requirements = TOOLS / "requirements-build.txt"
    pins = dict(re.findall(r"^(\w+)==([\w.]+)", requirements.read_text(), re.M))
    folders = {name: DEPS / f"{name}-{pins[name]}" for name in EXTRACT}
    file, text = stamp("build", requirements, [p.pattern for p in EXTRACT.values()], platform.system(), platform.machine())
    if is_done(file, text) and all(f.is_dir() for f in folders.values()):
        return
    say(f"fetching {', '.join(f'{n} {pins[n]}' for n in folders)}")
    wheels = DEPS / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    run(venv_python(), "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
        "--python-version", "3.12", "--dest", wheels, "-r", requirements)
    for name, folder in folders.items():
        for old in DEPS.glob(f"{name}-*"):
            shutil.rmtree(old)
        folder.mkdir(parents=True)
        with zipfile.ZipFile(next(wheels.glob(f"{name}-*.whl"))) as wheel:
            for member in filter(EXTRACT[name].search, wheel.namelist()):
                (folder / Path(member).name).write_bytes(wheel.read(member))
    shutil.rmtree(wheels)
    file.write_text(text)


def install_test_dependencies():
    requirements = TOOLS / "requirements-test.txt"
    python = venv_python()
    file, text = stamp("tests", requirements, str(python))
    if is_done(file, text):
        return
    say("installing the tests' Python packages into .deps/venv")
    run(python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
        "-r", requirements)
    file.write_text(text)


def main():
    parser = argparse.ArgumentParser(description="Brings what the build (and with --tests the test suite) needs.")
    parser.add_argument("--tests", action="store_true", help="also what `make test` needs: GoogleTest, ONNX Runtime, pytest")
    parser.add_argument("--python", action="store_true", help="also the C headers of the interpreter that runs this, for the Python package")
    parser.add_argument("--no-system", action="store_true", help="leave system packages alone")
    options = parser.parse_args()
    os.environ["PATH"] = os.pathsep.join([str(DEPS / "rust"), os.environ["PATH"], str(Path.home() / ".cargo/bin")])
    if not options.no_system:
        check_system(options.tests, sys.executable if options.python else None)
    DEPS.mkdir(exist_ok=True)
    fetch_build_dependencies()
    if options.tests:
        install_test_dependencies()


if __name__ == "__main__":
    main()
