// SPDX-License-Identifier: GPL-2.0

//! The module and the groups that programs work on: loading, and putting back what a program has
//! left behind.

use crate::values::{GROUPS, MAX_GROUPS, NODES};
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

const INSTALL_GROUP: libc::c_ulong = 0xc03a_7803;
const SET_SEND_DELAY: libc::c_ulong = 0x4004_7804;
const REVOKE_DELAYED_MESSAGES: libc::c_ulong = 0x7805;

/// The limits that a group begins with, and is given back.
const MESSAGE: usize = 100;
const STORAGE: usize = 10_000;

/// How long what others have left to do in the background may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The groups, each open: so the module cannot be unloaded.
pub struct Groups {
    files: Vec<File>,
}

fn explain<T>(what: &str, result: io::Result<T>) -> Result<T, String> {
    result.map_err(|err| format!("{what}: {err}"))
}

fn last_error(returned: i64) -> io::Result<i64> {
    if returned < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(returned)
}

/// Loads groups.ko, into a kernel that has not got it.
pub fn load(module: &Path) -> Result<(), String> {
    let file = explain("groups.ko", File::open(module))?;
    let parameters =
        format!("max_groups={MAX_GROUPS} max_message_size={MESSAGE} max_storage_size={STORAGE}");
    let parameters = CString::new(parameters).expect("no NUL");
    // SAFETY: The parameters are a C string.
    let loaded = unsafe {
        libc::syscall(
            libc::SYS_finit_module,
            file.as_raw_fd(),
            parameters.as_ptr(),
            0,
        )
    };
    explain("loading groups.ko", last_error(loaded)).map(drop)
}

/// Unloads the module, if it is loaded. udev and io_uring may hold it for a moment.
pub fn unload() -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // SAFETY: The name is a C string.
        let unloaded = unsafe {
            libc::syscall(
                libc::SYS_delete_module,
                c"groups".as_ptr(),
                libc::O_NONBLOCK,
            )
        };
        match last_error(unloaded) {
            Ok(_) => return Ok(()),
            Err(err) if err.raw_os_error() == Some(libc::ENOENT) => return Ok(()),
            Err(err) if Instant::now() > deadline => {
                return Err(format!("unloading groups: {err}"));
            }
            Err(_) => sleep(Duration::from_millis(10)),
        }
    }
}

impl Groups {
    /// None, of which none is open.
    pub fn none() -> Self {
        Self { files: Vec::new() }
    }

    /// Installs the groups, in a module that has just been loaded, and makes the nodes.
    pub fn install() -> Result<Self, String> {
        let first = open(0)?;
        for id in GROUPS {
            let mut group = [0u8; 58];
            group[..id.len()].copy_from_slice(id);
            // SAFETY: The pointer is to a struct group_t.
            let made = unsafe { libc::ioctl(first.as_raw_fd(), INSTALL_GROUP, group.as_mut_ptr()) };
            explain("installing a group", last_error(made.into()))?;
        }
        make_nodes()?;
        let mut files = vec![first];
        for minor in 1..=GROUPS.len() {
            files.push(open(minor)?);
        }
        Ok(Self { files })
    }

    /// Empties all groups and gives them their limits back.
    pub fn reset(&mut self) -> Result<(), String> {
        for (minor, file) in self.files.iter_mut().enumerate() {
            set(minor, "max_message_size", MESSAGE)?;
            set(minor, "max_storage_size", STORAGE)?;
            empty(file)?;
        }
        Ok(())
    }

    /// The same, if no program has changed a limit.
    pub fn empty(&mut self) -> Result<(), String> {
        self.files.iter_mut().try_for_each(empty)
    }

    /// Promise 4 of the contract: an emptied group can be filled to the brim, and no further. To
    /// be called after [`Groups::reset`].
    pub fn check_room(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        for minor in 0..self.files.len() {
            // A request of io_uring's may outlive its program for a moment.
            while let Err(what) = self.fill(minor) {
                if Instant::now() > deadline {
                    return Err(format!("group{minor}, emptied, {what}"));
                }
                sleep(Duration::from_millis(50));
                self.reset()?;
            }
        }
        Ok(())
    }

    fn fill(&mut self, minor: usize) -> Result<(), String> {
        let file = &mut self.files[minor];
        for sent in 0..STORAGE / MESSAGE {
            if let Err(err) = file.write(&[b'm'; MESSAGE]) {
                return Err(format!("takes {} bytes only: {err}", sent * MESSAGE));
            }
        }
        let more = file.write(b"m");
        empty(file)?;
        match more {
            Err(err) if err.raw_os_error() == Some(libc::ENOSPC) => Ok(()),
            more => Err(format!("takes more than it may: {more:?}")),
        }
    }
}

/// Opens a group's device. It may be looked at by udev, and be there a moment later.
fn open(minor: usize) -> Result<File, String> {
    let path = format!("/dev/group{minor}");
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK);
    explain(&path, options.open(&path))
}

/// Makes device nodes for minors without a group.
fn make_nodes() -> Result<(), String> {
    let numbers = explain("group0", fs::read_to_string("/sys/class/groups/group0/dev"))?;
    let major = numbers
        .split(':')
        .next()
        .and_then(|major| major.parse().ok());
    let major: u32 = major.ok_or("group0 has no number")?;
    for (path, minor) in NODES {
        let number = libc::makedev(major, minor);
        // SAFETY: The path is a C string.
        let made = unsafe {
            libc::unlink(path.as_ptr());
            libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, number)
        };
        explain("mknod", last_error(made.into()))?;
    }
    Ok(())
}

fn set(minor: usize, attribute: &str, size: usize) -> Result<(), String> {
    let path = format!("/sys/class/groups/group{minor}/{attribute}");
    explain(&path, fs::write(&path, size.to_string()))
}

/// Takes all messages out of a group, and the delay.
fn empty(file: &mut File) -> Result<(), String> {
    let fd = file.as_raw_fd();
    let none = 0u32;
    // SAFETY: The commands take a pointer to a number, and nothing.
    unsafe {
        explain(
            "SET_SEND_DELAY",
            last_error(libc::ioctl(fd, SET_SEND_DELAY, &raw const none).into()),
        )?;
        let revoked = libc::ioctl(fd, REVOKE_DELAYED_MESSAGES);
        explain("REVOKE_DELAYED_MESSAGES", last_error(revoked.into()))?;
    }
    let mut byte = [0];
    loop {
        match file.read(&mut byte) {
            Ok(0) => {
                return Err("a read of an empty group, which does not wait, returns 0".to_owned());
            }
            Ok(_) => {}
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(err) => return Err(format!("emptying a group: {err}")),
        }
    }
}
