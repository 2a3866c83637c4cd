// SPDX-License-Identifier: GPL-2.0

//! The real device, for random programs: carries out their calls.

use crate::calls::now_ns;
use crate::group::Group;
use crate::memory::{Place, put_there};
use crate::sleeper::Sleeper;
use crate::sys::{
    AWAKE_BARRIER, FIONREAD, INSTALL_GROUP, INSTALL_GROUP_LEGACY, REVOKE_DELAYED_MESSAGES,
    RawGroup, SET_RECEIVE_TIMEOUT, SET_SEND_DELAY, SET_SEND_DELAY_LEGACY,
};
use model::call::{Access, Call, During, Memory, Message, Outcome, Part};
use model::group::{READABLE, WRITABLE};
use model::model::{GROUPS, Model, SLOTS};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

/// The most buffers that a call has.
const PLACES: usize = 6;

/// The program's descriptors, memory and threads.
pub struct Subject {
    groups: Vec<Group>,
    /// A node for a group that there is not.
    nobody: PathBuf,
    slots: [Option<OwnedFd>; SLOTS],
    sleepers: [Vec<Sleeper>; GROUPS],
    places: Vec<Place>,
}

/// What a system call returned.
fn result(returned: isize) -> Result<i64, Errno> {
    Errno::result(returned).map(|value| value as i64)
}

impl Subject {
    /// A program that is about these groups. `nobody` is a node for one that there is not.
    pub fn new(groups: Vec<Group>, nobody: PathBuf) -> Self {
        assert_eq!(groups.len(), GROUPS);
        Self {
            groups,
            nobody,
            slots: [const { None }; SLOTS],
            sleepers: [const { Vec::new() }; GROUPS],
            places: (0..PLACES).map(|_| Place::new()).collect(),
        }
    }

    /// Makes a call. Says what came of it, and when that was.
    pub fn call(&mut self, call: &Call, model: &Model) -> (Outcome, During) {
        let start = now_ns();
        let (result, bytes) = self.carry_out(call, model);
        let end = now_ns();
        (Outcome { result, bytes }, During { start, end })
    }

    fn carry_out(&mut self, call: &Call, model: &Model) -> (Result<i64, Errno>, Vec<u8>) {
        let nothing = |result| (result, Vec::new());
        match call {
            &Call::Open {
                slot,
                group,
                access,
                nonblock,
            } => nothing(self.open(slot, group, access, nonblock)),
            Call::OpenNobody => {
                let opened = open(&self.nobody, OFlag::O_RDWR, Mode::empty());
                nothing(opened.map(|_| 0))
            }
            &Call::Dup { slot, to } => nothing(self.dup(slot, to)),
            &Call::Close { slot } => {
                // So that its result is seen.
                let fd = self.slots[slot].take().map_or(-1, IntoRawFd::into_raw_fd);
                // SAFETY: The descriptor was ours, and is nobody's now.
                nothing(result(unsafe { libc::close(fd) } as isize))
            }
            &Call::SetNonblock { slot, on } => {
                let flags = if on { libc::O_NONBLOCK } else { 0 };
                // SAFETY: The command takes a number.
                let returned = unsafe { libc::fcntl(self.fd(slot), libc::F_SETFL, flags) };
                nothing(result(returned as isize))
            }
            Call::Write {
                slot,
                message,
                memory,
            } => {
                let at = self.places[0].with(&message.bytes(), *memory);
                // SAFETY: The kernel checks the pointer, and only reads.
                let returned = unsafe { libc::write(self.fd(*slot), at as *const _, message.size) };
                nothing(result(returned))
            }
            Call::Writev { slot, fill, parts } => nothing(self.writev(*slot, *fill, parts)),
            Call::Read { slot, size, memory } => {
                let at = self.places[0].empty(*size, *memory);
                // SAFETY: What is mapped there is the place's.
                let returned = unsafe { libc::read(self.fd(*slot), at as *mut _, *size) };
                self.read(
                    &[Part {
                        size: *size,
                        memory: *memory,
                    }],
                    result(returned),
                )
            }
            Call::Readv { slot, parts } => {
                let vector: Vec<_> = std::iter::zip(&mut self.places, parts)
                    .map(|(place, part)| vector(place.empty(part.size, part.memory), part.size))
                    .collect();
                // SAFETY: What is mapped there is the places'.
                let returned =
                    unsafe { libc::readv(self.fd(*slot), vector.as_ptr(), vector.len() as i32) };
                self.read(parts, result(returned))
            }
            &Call::SetSendDelay {
                slot,
                ms,
                legacy,
                memory,
            } => {
                let command = if legacy {
                    SET_SEND_DELAY_LEGACY
                } else {
                    SET_SEND_DELAY
                };
                nothing(self.ioctl_with(slot, command, &ms.to_ne_bytes(), memory))
            }
            &Call::SetReceiveTimeout { slot, ms, memory } => {
                nothing(self.ioctl_with(slot, SET_RECEIVE_TIMEOUT, &ms.to_ne_bytes(), memory))
            }
            &Call::FirstSize { slot, memory } => {
                let result = self.ioctl_with(slot, FIONREAD, &[0xa5; 4], memory);
                let content = match result {
                    Ok(_) => self.places[0].content(4, memory),
                    Err(_) => Vec::new(),
                };
                (result, content)
            }
            &Call::Install {
                slot,
                id,
                tail,
                legacy,
                memory,
            } => self.install(slot, &model.id(id), tail, legacy, memory),
            call => self.carry_out_more(call),
        }
    }

    /// The calls that take no memory.
    fn carry_out_more(&mut self, call: &Call) -> (Result<i64, Errno>, Vec<u8>) {
        let nothing = |result| (result, Vec::new());
        match call {
            Call::Revoke { slot } => nothing(self.ioctl(*slot, REVOKE_DELAYED_MESSAGES)),
            Call::UnknownIoctl { slot, command } => nothing(self.ioctl(*slot, u64::from(*command))),
            Call::Fsync { slot } => {
                // SAFETY: The call takes a number.
                nothing(result(unsafe { libc::fsync(self.fd(*slot)) } as isize))
            }
            Call::Poll { slot } => nothing(self.poll(*slot)),
            Call::Seek { slot } => {
                // SAFETY: The call takes numbers.
                let returned = unsafe { libc::lseek(self.fd(*slot), 0, libc::SEEK_SET) };
                nothing(result(returned as isize))
            }
            Call::Pread { slot } => {
                let mut byte = [0u8];
                // SAFETY: The buffer is ours.
                let returned =
                    unsafe { libc::pread(self.fd(*slot), byte.as_mut_ptr().cast(), 1, 0) };
                nothing(result(returned))
            }
            Call::Pwrite { slot } => {
                // SAFETY: The kernel only reads.
                let returned = unsafe { libc::pwrite(self.fd(*slot), b"m".as_ptr().cast(), 1, 0) };
                nothing(result(returned))
            }
            Call::Sleep { slot } => nothing(self.sleep(*slot)),
            Call::Interrupt { group } => match self.sleepers[*group].pop() {
                Some(sleeper) => (Ok(1), vec![sleeper.interrupt()]),
                None => nothing(Ok(0)),
            },
            Call::Awake { slot } => {
                let result = self.ioctl(*slot, AWAKE_BARRIER);
                let group = self.group_of(*slot);
                let sleepers = match (result, group) {
                    (Ok(0), Some(group)) => std::mem::take(&mut self.sleepers[group]),
                    _ => Vec::new(),
                };
                (result, sleepers.into_iter().map(Sleeper::join).collect())
            }
            Call::SetLimit { group, limit, text } => {
                let written = self.groups[*group].try_set(limit.name(), text);
                nothing(written.map(|n| n as i64))
            }
            Call::GetLimit { group, limit } => self.attribute(*group, limit.name()),
            Call::GetId { group } => self.attribute(*group, "id"),
            Call::Pause { ms } => {
                std::thread::sleep(Duration::from_millis(u64::from(*ms)));
                nothing(Ok(0))
            }
            call => unreachable!("{call:?} takes memory"),
        }
    }

    /// The descriptor in a slot; -1 if there is none.
    fn fd(&self, slot: usize) -> i32 {
        self.slots[slot].as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// Which of the program's groups a descriptor is for.
    fn group_of(&self, slot: usize) -> Option<usize> {
        let file = nix::sys::stat::fstat(self.slots[slot].as_ref()?).expect("fstat");
        let minor = nix::sys::stat::minor(file.st_rdev);
        let is_it = |group: &Group| u64::from(group.number) == minor;
        self.groups.iter().position(is_it)
    }

    fn ioctl(&self, slot: usize, command: u64) -> Result<i64, Errno> {
        // SAFETY: The commands take no argument; if they did, nothing is there.
        let returned = unsafe { libc::ioctl(self.fd(slot), command, 0) };
        result(returned as isize)
    }

    fn ioctl_with(
        &mut self,
        slot: usize,
        command: u64,
        bytes: &[u8],
        memory: Memory,
    ) -> Result<i64, Errno> {
        let at = self.places[0].with(bytes, memory);
        // SAFETY: What is mapped there is the place's.
        result(unsafe { libc::ioctl(self.fd(slot), command, at) } as isize)
    }

    fn open(
        &mut self,
        slot: usize,
        group: usize,
        access: Access,
        nonblock: bool,
    ) -> Result<i64, Errno> {
        let mode = match access {
            Access::Read => OFlag::O_RDONLY,
            Access::Write => OFlag::O_WRONLY,
            Access::Both => OFlag::O_RDWR,
        };
        let nonblock = if nonblock {
            OFlag::O_NONBLOCK
        } else {
            OFlag::empty()
        };
        let flags = mode | nonblock | OFlag::O_CLOEXEC;
        let fd = open(&self.groups[group].node(), flags, Mode::empty())?;
        self.slots[slot] = Some(fd);
        Ok(0)
    }

    fn dup(&mut self, slot: usize, to: usize) -> Result<i64, Errno> {
        let fd = self.slots[slot].as_ref().ok_or(Errno::EBADF)?;
        let fd = nix::unistd::dup(fd)?;
        self.slots[to] = Some(fd);
        Ok(0)
    }

    fn writev(&mut self, slot: usize, fill: u8, parts: &[Part]) -> Result<i64, Errno> {
        let size = parts.iter().map(|part| part.size).sum();
        let message = Message { size, fill }.bytes();
        let mut rest = message.as_slice();
        let mut vectors = Vec::new();
        for (place, part) in std::iter::zip(&mut self.places, parts) {
            let (bytes, behind) = rest.split_at(part.size);
            rest = behind;
            vectors.push(vector(place.with(bytes, part.memory), part.size));
        }
        // SAFETY: The kernel checks the pointers, and only reads.
        let returned =
            unsafe { libc::writev(self.fd(slot), vectors.as_ptr(), vectors.len() as i32) };
        result(returned)
    }

    /// What was read into these buffers.
    fn read(
        &mut self,
        parts: &[Part],
        result: Result<i64, Errno>,
    ) -> (Result<i64, Errno>, Vec<u8>) {
        let Ok(size) = result else {
            return (result, Vec::new());
        };
        let content: Vec<_> = std::iter::zip(&mut self.places, parts)
            .map(|(place, part)| place.content(part.size, part.memory))
            .collect();
        (result, put_there(content.concat(), size as usize))
    }

    fn install(
        &mut self,
        slot: usize,
        id: &[u8],
        tail: u8,
        legacy: bool,
        memory: Memory,
    ) -> (Result<i64, Errno>, Vec<u8>) {
        let mut bytes = [tail; RawGroup::SIZE];
        bytes[..id.len()].copy_from_slice(id);
        if id.len() < 32 {
            bytes[id.len()] = 0;
        }
        let command = if legacy {
            INSTALL_GROUP_LEGACY
        } else {
            INSTALL_GROUP
        };
        let result = self.ioctl_with(slot, command, &bytes, memory);
        if result.is_err() {
            return (result, Vec::new());
        }
        let content = self.places[0].content(RawGroup::SIZE, memory);
        let devname = content[32..].split(|&byte| byte == 0);
        (result, devname.take(1).collect::<Vec<_>>().concat())
    }

    fn poll(&self, slot: usize) -> Result<i64, Errno> {
        let mut fds = [libc::pollfd {
            fd: self.fd(slot),
            events: (READABLE | WRITABLE) as i16,
            revents: 0,
        }];
        // SAFETY: The array is ours.
        result(unsafe { libc::poll(fds.as_mut_ptr(), 1, 0) } as isize)?;
        Ok(i64::from(fds[0].revents))
    }

    /// Has a thread sleep on a group's barrier.
    fn sleep(&mut self, slot: usize) -> Result<i64, Errno> {
        let Some(group) = self.group_of(slot) else {
            return Err(Errno::EBADF);
        };
        // SAFETY: The descriptor stays open until the thread sleeps, and longer than that the
        // kernel does not need it.
        let fd = unsafe { BorrowedFd::borrow_raw(self.fd(slot)) };
        let sleeper = Sleeper::start(fd)?;
        self.sleepers[group].push(sleeper);
        Ok(1)
    }

    fn attribute(&self, group: usize, name: &str) -> (Result<i64, Errno>, Vec<u8>) {
        let text = self.groups[group].get(name);
        (Ok(text.len() as i64), text)
    }
}

fn vector(at: usize, size: usize) -> libc::iovec {
    libc::iovec {
        iov_base: at as *mut _,
        iov_len: size,
    }
}
