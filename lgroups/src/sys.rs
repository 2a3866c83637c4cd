// SPDX-License-Identifier: GPL-2.0

//! The system calls on a group's device.
//!
//! Nearly all `unsafe` code of the crate is here; there is more in the C API, and a line for tokio.
//! What the numbers and the types are is said in `include/groups.h`.

use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::{Errno, ReadWriteFlags, Result};
use rustix::ioctl::{Ioctl, IoctlOutput, NoArg, Opcode, Setter, ioctl, opcode};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use std::cell::RefCell;
use std::ffi::c_void;
use std::io::IoSliceMut;
use std::ptr::NonNull;

pub(crate) const GROUP_ID_SIZE: usize = 32;
const GROUP_DEVNAME_SIZE: usize = 26;

/// `struct group_t`
#[repr(C)]
struct RawGroup {
    id: [u8; GROUP_ID_SIZE],
    devname: [u8; GROUP_DEVNAME_SIZE],
}

const SLEEP_ON_BARRIER: Opcode = opcode::none(b'x', 1);
const AWAKE_BARRIER: Opcode = opcode::none(b'x', 2);
const INSTALL_GROUP: Opcode = opcode::read_write::<RawGroup>(b'x', 3);
const SET_SEND_DELAY: Opcode = opcode::write::<u32>(b'x', 4);
const REVOKE_DELAYED_MESSAGES: Opcode = opcode::none(b'x', 5);
const SET_RECEIVE_TIMEOUT: Opcode = opcode::write::<i32>(b'x', 6);

const _: () = assert!(size_of::<RawGroup>() == 58);

/// `INSTALL_GROUP`
struct Install(RawGroup);

// SAFETY: The kernel reads and writes one `struct group_t` at the pointer, which is to one; any
// bytes are a valid one.
unsafe impl Ioctl for Install {
    /// Whether it was made, and `devname`.
    type Output = (bool, [u8; GROUP_DEVNAME_SIZE]);

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        INSTALL_GROUP
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut self.0).cast()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, arg: *mut c_void) -> Result<Self::Output> {
        // SAFETY: This is the pointer that `as_ptr` gave.
        let group = unsafe { &*arg.cast::<RawGroup>() };
        Ok((out == 1, group.devname))
    }
}

/// A command without an argument that returns a number.
struct Ask(Opcode);

// SAFETY: The kernel does not look at the pointer, for any of the commands that this is used for.
unsafe impl Ioctl for Ask {
    type Output = i32;

    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        self.0
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _arg: *mut c_void) -> Result<i32> {
        Ok(out)
    }
}

/// Finds or makes the group with this id. Whether it was made, and its device's name.
pub(crate) fn install(fd: impl AsFd, id: &[u8; GROUP_ID_SIZE]) -> Result<(bool, String)> {
    let group = RawGroup {
        id: *id,
        devname: [0; GROUP_DEVNAME_SIZE],
    };
    // SAFETY: The module's devices know the command as `Install` says, and all others refuse it.
    let (made, devname) = unsafe { ioctl(fd, Install(group)) }?;
    let name = devname.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok((made, String::from_utf8_lossy(name).into_owned()))
}

pub(crate) fn sleep_on_barrier(fd: impl AsFd) -> Result<()> {
    // SAFETY: The command takes no argument.
    unsafe { ioctl(fd, NoArg::<SLEEP_ON_BARRIER>::new()) }
}

pub(crate) fn awake_barrier(fd: impl AsFd) -> Result<i32> {
    // SAFETY: The command takes no argument.
    unsafe { ioctl(fd, Ask(AWAKE_BARRIER)) }
}

pub(crate) fn set_send_delay(fd: impl AsFd, ms: u32) -> Result<()> {
    // SAFETY: The command reads a `u32`.
    unsafe { ioctl(fd, Setter::<SET_SEND_DELAY, u32>::new(ms)) }
}

pub(crate) fn revoke_delayed_messages(fd: impl AsFd) -> Result<()> {
    // SAFETY: The command takes no argument.
    unsafe { ioctl(fd, NoArg::<REVOKE_DELAYED_MESSAGES>::new()) }
}

pub(crate) fn set_receive_timeout(fd: impl AsFd, ms: i32) -> Result<()> {
    // SAFETY: The command reads an `i32`.
    unsafe { ioctl(fd, Setter::<SET_RECEIVE_TIMEOUT, i32>::new(ms)) }
}

/// Whether a call may wait for a message, as the open file's receive timeout has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    AsSet,
    No,
}

/// Takes the first message, all of it, whatever its size. `None`: there is none.
///
/// Nobody can know how large the message is that a read will take: another reader may be faster,
/// and the limits may have changed. What does not fit is lost. So the kernel is offered room for
/// the largest message there can be, nearly all of it in memory that costs nothing until used.
pub(crate) fn receive(fd: impl AsFd, wait: Wait) -> Result<Option<Vec<u8>>> {
    SPILL
        .try_with(|spill| match spill.try_borrow_mut() {
            Ok(mut spill) => receive_with(fd.as_fd(), wait, &mut spill),
            Err(_) => receive_with(fd.as_fd(), wait, &mut None),
        })
        // This thread is about to end, and what belongs to it is gone.
        .unwrap_or_else(|_| receive_with(fd.as_fd(), wait, &mut None))
}

fn receive_with(
    fd: BorrowedFd<'_>,
    wait: Wait,
    spill: &mut Option<Spill>,
) -> Result<Option<Vec<u8>>> {
    let spill = match spill {
        Some(spill) => spill,
        None => spill.insert(Spill::new()?),
    };
    let mut first = [0; FIRST];
    let mut room = [IoSliceMut::new(&mut first), IoSliceMut::new(spill.bytes())];
    let size = match wait {
        Wait::AsSet => rustix::io::readv(fd, &mut room),
        // This offset stands for none.
        Wait::No => rustix::io::preadv2(fd, &mut room, u64::MAX, ReadWriteFlags::NOWAIT),
    };
    let size = match size {
        Err(Errno::AGAIN) | Ok(0) => return Ok(None),
        size => size?,
    };
    let mut message = first[..size.min(FIRST)].to_vec();
    if let Some(rest) = size.checked_sub(FIRST) {
        message.extend_from_slice(&spill.bytes()[..rest]);
        spill.used(rest);
    }
    Ok(Some(message))
}

/// Takes the first message and copies to `buf` what it has room for. `None`: there is none.
pub(crate) fn receive_into(fd: impl AsFd, buf: &mut [u8]) -> Result<Option<usize>> {
    match rustix::io::read(fd, &mut *buf) {
        Err(Errno::AGAIN) => Ok(None),
        Ok(0) if !buf.is_empty() => Ok(None),
        size => size.map(Some),
    }
}

/// Room on the stack, for what most messages are.
const FIRST: usize = 4096;

/// The most that one call reads, `MAX_RW_COUNT`; no message is larger.
const MOST: usize = 0x7fff_f000;

/// What is less than this is no room to speak of.
const LEAST: usize = 1 << 20;

/// Once so much of it was used, its memory is given back.
const KEEP: usize = 1 << 18;

thread_local! {
    static SPILL: RefCell<Option<Spill>> = const { RefCell::new(None) };
}

/// Address space for the part of a message beyond its first bytes.
///
/// # Invariants
///
/// `start` is to `len` bytes that are mapped, readable, writable, and nobody else's.
struct Spill {
    start: NonNull<c_void>,
    len: usize,
}

impl Spill {
    /// As much as there may be; where address space is scarce, less.
    fn new() -> Result<Self> {
        let mut len = MOST - FIRST;
        loop {
            // SAFETY: A new mapping touches nothing that is there.
            let mapped = unsafe {
                mmap_anonymous(
                    std::ptr::null_mut(),
                    len,
                    ProtFlags::READ | ProtFlags::WRITE,
                    MapFlags::PRIVATE | MapFlags::NORESERVE,
                )
            };
            match mapped {
                Ok(start) => {
                    let start = NonNull::new(start).ok_or(Errno::NOMEM)?;
                    // INVARIANT: It was just mapped.
                    return Ok(Self { start, len });
                }
                Err(Errno::NOMEM) if len / 2 >= LEAST => len /= 2,
                Err(err) => return Err(err),
            }
        }
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: By the invariants; anonymous memory is zeroed, and borrowed with `self`.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.len) }
    }

    /// The first `size` bytes were used, and are no longer.
    fn used(&mut self, size: usize) {
        if size > KEEP {
            // SAFETY: By the invariants. They become zero, which is as good as any value.
            // That it fails would only mean that the memory stays in use.
            let _ = unsafe { madvise(self.start.as_ptr(), size, Advice::LinuxDontNeed) };
        }
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        // SAFETY: By the invariants; no slice of it lives longer than `self`.
        let _ = unsafe { munmap(self.start.as_ptr(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_groups_h() {
        let header = include_str!("../../include/groups.h");
        for (line, number) in [
            ("SLEEP_ON_BARRIER\t_IO(GROUPS_IOC_MAGIC, 1)", 0x7801),
            ("AWAKE_BARRIER\t\t_IO(GROUPS_IOC_MAGIC, 2)", 0x7802),
            (
                "INSTALL_GROUP\t\t_IOWR(GROUPS_IOC_MAGIC, 3, struct group_t)",
                0xc03a_7803,
            ),
            (
                "SET_SEND_DELAY\t\t_IOW(GROUPS_IOC_MAGIC, 4, __u32)",
                0x4004_7804,
            ),
            ("REVOKE_DELAYED_MESSAGES\t_IO(GROUPS_IOC_MAGIC, 5)", 0x7805),
            (
                "SET_RECEIVE_TIMEOUT\t_IOW(GROUPS_IOC_MAGIC, 6, __s32)",
                0x4004_7806,
            ),
        ] {
            assert!(header.contains(line), "groups.h does not say {line}");
            let ours = match line.split('\t').next() {
                Some("SLEEP_ON_BARRIER") => SLEEP_ON_BARRIER,
                Some("AWAKE_BARRIER") => AWAKE_BARRIER,
                Some("INSTALL_GROUP") => INSTALL_GROUP,
                Some("SET_SEND_DELAY") => SET_SEND_DELAY,
                Some("REVOKE_DELAYED_MESSAGES") => REVOKE_DELAYED_MESSAGES,
                Some("SET_RECEIVE_TIMEOUT") => SET_RECEIVE_TIMEOUT,
                _ => unreachable!(),
            };
            assert_eq!(ours, number, "{line}");
        }
    }

    #[test]
    fn a_message_larger_than_any_buffer_is_received_whole() {
        let (read, write) = rustix::pipe::pipe().expect("pipe");
        let sent: Vec<u8> = (0..60_000_u32).map(|n| n as u8).collect();
        rustix::io::write(&write, &sent).expect("write");
        let received = receive(&read, Wait::AsSet).expect("receive");
        assert_eq!(received, Some(sent));
    }

    #[test]
    fn nothing_is_no_message() {
        let zero = std::fs::File::open("/dev/null").expect("open");
        assert_eq!(receive(&zero, Wait::AsSet), Ok(None));
        assert_eq!(receive_into(&zero, &mut [0; 4]), Ok(None));
    }
}
