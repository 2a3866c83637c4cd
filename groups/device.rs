// SPDX-License-Identifier: GPL-2.0

//! One open file of a group's device: decodes a call's arguments, calls the group, encodes the
//! answer. No policy.

use crate::{
    abi::{
        buffer::{
            Faults,
            Sink,
            Source,
            UserBuffer,
            ATTEMPTS, //
        },
        file::{
            CallFlags,
            FileOperations, //
        },
        once::ReadOnce,
        wait::{
            Events,
            WaitQueue, //
        },
    },
    alarm::Awoken,
    group::{
        Group,
        Patience, //
    },
    id::GroupId,
    registry::{
        DeviceName,
        Installed,
        Registry, //
    },
    uapi, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    uaccess::UserSlice, //
};

/// An open file of a group's device.
pub(crate) struct OpenFile {
    group: Arc<Group>,
    registry: Arc<Registry>,
    /// How long a read waits for a message, as SET_RECEIVE_TIMEOUT has it: milliseconds; 0: not at
    /// all; -1: without end.
    receive_timeout: Atomic<i32>,
}

#[vtable]
impl FileOperations for OpenFile {
    type Context = Arc<Registry>;

    /// [`ENXIO`]: there is no group with this minor.
    fn open(registry: &Arc<Registry>, minor: u32) -> Result<Pin<KBox<Self>>> {
        let file = KBox::new(
            Self {
                group: registry.group(minor).ok_or(ENXIO)?,
                registry: registry.clone(),
                receive_timeout: Atomic::new(0),
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        Ok(file.into())
    }

    fn read<S: Sink>(&self, to: &mut S, flags: CallFlags) -> Result<usize> {
        self.group.deliver(to, self.patience(flags))
    }

    fn write<S: Source>(&self, from: &mut S) -> Result<usize> {
        self.group.publish(from)
    }

    /// [`ENOTTY`]: there is no such command.
    fn ioctl(&self, command: u32, arg: usize) -> Result<c_int> {
        let arg = UserPtr::from_addr(arg);
        match command {
            uapi::SLEEP_ON_BARRIER => self.group.barrier().sleep().map(|()| 0),
            uapi::AWAKE_BARRIER => Ok(match self.group.barrier().awake() {
                Awoken::Now => 0,
                Awoken::Before => 1,
                Awoken::Nobody => 2,
            }),
            uapi::INSTALL_GROUP | uapi::INSTALL_GROUP_LEGACY => self.install_group(arg),
            uapi::SET_SEND_DELAY | uapi::SET_SEND_DELAY_LEGACY => {
                self.group.set_delay(u32::from_ne_bytes(read_word(arg)?));
                Ok(0)
            }
            uapi::REVOKE_DELAYED_MESSAGES => {
                self.group.revoke();
                Ok(0)
            }
            uapi::SET_RECEIVE_TIMEOUT => self.set_receive_timeout(arg),
            uapi::FIONREAD => self.first_size(arg),
            _ => Err(ENOTTY),
        }
    }

    fn pollers(&self) -> &WaitQueue {
        self.group.pollers()
    }

    fn poll(&self) -> Events {
        self.group.events()
    }

    fn flush(&self) {
        self.group.flush();
    }
}

impl OpenFile {
    /// How long a read with these flags waits.
    fn patience(&self, flags: CallFlags) -> Patience {
        let timeout = self.receive_timeout.read_once();
        match u32::try_from(timeout) {
            _ if flags.nonblock => Patience::Never,
            Ok(0) => Patience::None,
            // Whoever asked for it waits by other means, then calls again.
            _ if flags.nowait => Patience::Never,
            Ok(ms) => Patience::Ms(ms),
            Err(_) => Patience::Endless,
        }
    }

    /// `SET_RECEIVE_TIMEOUT`: `arg` points to a signed 32-bit number.
    fn set_receive_timeout(&self, arg: UserPtr) -> Result<c_int> {
        let timeout = i32::from_ne_bytes(read_word(arg)?);
        if timeout < -1 {
            return Err(EINVAL);
        }
        self.receive_timeout.store(timeout, Relaxed);
        Ok(0)
    }

    /// `INSTALL_GROUP`: `arg` points to a `struct group_t`, of which `id` is read and `devname`
    /// written.
    fn install_group(&self, arg: UserPtr) -> Result<c_int> {
        let mut id = [0; uapi::GROUP_ID_SIZE];
        UserSlice::new(arg, id.len()).reader().read_slice(&mut id)?;
        let id = GroupId::parse(&id).ok_or(EINVAL)?;
        let devname = arg.wrapping_byte_add(uapi::GROUP_ID_SIZE);

        // The name has to be written before the group is made, for a write that fails must leave
        // no group behind; and no page must be waited for while the registry is locked, for its
        // owner might never bring it. So a page that is not there is brought in without the lock,
        // and then it is tried again.
        for _ in 0..ATTEMPTS {
            let mut missing = None;
            let installed = self.registry.install(&id, |name| {
                write_name(devname, name, Faults::Refused).inspect_err(|_| missing = Some(*name))
            });
            match (installed, missing) {
                (_, Some(name)) => write_name(devname, &name, Faults::Handled)?,
                (Ok(Installed::Made), None) => return Ok(1),
                (Ok(Installed::WasThere), None) => return Ok(0),
                (Err(err), None) => return Err(err),
            }
        }
        Err(EFAULT)
    }

    /// `FIONREAD`: `arg` points to an `int`, which gets the size of the first message.
    fn first_size(&self, arg: UserPtr) -> Result<c_int> {
        let size = c_int::try_from(self.group.first_size()).unwrap_or(c_int::MAX);
        UserSlice::new(arg, size_of::<c_int>())
            .writer()
            .write_slice(&size.to_ne_bytes())?;
        Ok(0)
    }
}

/// Reads 4 bytes of user memory. Process context; sleeps. [`EFAULT`].
fn read_word(from: UserPtr) -> Result<[u8; 4]> {
    let mut word = [0; 4];
    UserSlice::new(from, word.len())
        .reader()
        .read_slice(&mut word)?;
    Ok(word)
}

/// Writes a device's name to user memory. Context as `faults` says. [`EFAULT`].
fn write_name(to: UserPtr, name: &DeviceName, faults: Faults) -> Result {
    let name = name.as_bytes();
    UserBuffer::new(to, name.len()).copy_from(name, faults)
}
