// SPDX-License-Identifier: GPL-2.0

//! Loading and unloading, and where the clone's files are.

use crate::group::wait_for_path;
use nix::errno::Errno;
use nix::kmod::{DeleteModuleFlags, ModuleInitFlags, delete_module, finit_module};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The clone: this program is CLONE/tests/target/release/vm.
pub fn clone() -> PathBuf {
    let program = std::env::current_exe().expect("/proc/self/exe");
    program.ancestors().nth(4).expect("a clone").to_owned()
}

/// A program that the tests' build made.
pub fn program(name: &str) -> PathBuf {
    clone().join("tests/target/programs").join(name)
}

/// Loads a module.
pub fn load_file(path: &Path, params: &str) -> nix::Result<()> {
    let file = File::open(path).unwrap_or_else(|err| panic!("{path:?}: {err}"));
    let params = CString::new(params).expect("parameters");
    finit_module(&file, &params, ModuleInitFlags::empty())
}

/// Unloads a module, if nobody uses it.
pub fn unload_named(name: &CStr) -> nix::Result<()> {
    delete_module(name, DeleteModuleFlags::O_NONBLOCK)
}

/// Loads groups.ko, when udev is done with what was unloaded before.
///
/// udev handles the devices side by side. Where it removes the last link of `/dev/synch`, it
/// removes the folder too, and if it has just made it for another device's link, that link is not
/// made: "Failed to create symlink ..., ignoring: No such file or directory".
pub fn load(params: &str) -> nix::Result<()> {
    // Where no udevd runs, this fails, and there are no links.
    let _ = Command::new("udevadm").arg("settle").status();
    load_at_once(params)
}

/// Loads groups.ko, whatever udev does: the links of its devices need not appear.
pub fn load_at_once(params: &str) -> nix::Result<()> {
    load_file(&clone().join("groups.ko"), params)
}

/// Unloads it.
///
/// udev and others may look at a device that has just appeared, which holds the module for a
/// moment; so this tries for a while.
pub fn try_unload() -> nix::Result<()> {
    for _ in 0..500 {
        match unload_named(c"groups") {
            Err(Errno::EWOULDBLOCK) => std::thread::sleep(Duration::from_millis(10)),
            result => return result,
        }
    }
    Err(Errno::EWOULDBLOCK)
}

/// Unloads it, which has to go well.
#[track_caller]
pub fn unload() {
    assert_eq!(try_unload(), Ok(()), "unloading groups");
}

/// Whether groups.ko is loaded.
pub fn is_loaded() -> bool {
    Path::new("/sys/module/groups/initstate").exists()
}

/// Runs one of the clone's scripts, and returns whether it says that it went well, and its output.
pub fn script(name: &str) -> (bool, String) {
    script_with(name, &[])
}

/// The same, with arguments.
pub fn script_with(name: &str, args: &[String]) -> (bool, String) {
    let output = Command::new(clone().join("scripts").join(name))
        .args(args)
        .current_dir(clone())
        .output()
        .unwrap_or_else(|err| panic!("scripts/{name}: {err}"));
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.success(), text)
}

/// Brings the module back as it is after a boot: loaded with its defaults and the first group.
pub fn restore() -> Result<(), String> {
    if is_loaded() {
        try_unload().map_err(|err| format!("unloading: {err}"))?;
    }
    match script("install.sh") {
        (true, _) => wait_for_path(Path::new("/dev/synch/group0")),
        (false, text) => return Err(format!("scripts/install.sh: {text}")),
    }
    Ok(())
}
