// SPDX-License-Identifier: GPL-2.0

//! The groups that there are: from id to group, and from minor to group.
//!
//! Everything is looked up and changed under one sleeping lock, [`Registry::inner`], the outermost
//! one (see [`group`](crate::group)).

use crate::{
    abi::{
        chrdev::NumberRegion,
        device::{
            Class,
            Device, //
        },
        xxhash::xxh64, //
    },
    group::Group,
    id::GroupId,
    limits::Limits,
    sysfs,
    table::{
        InsertError,
        Slot,
        Slots,
        Table, //
    },
    uapi::GROUP_DEVNAME_SIZE,
};
use core::fmt::Write;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

/// What the registry is told when the module is loaded.
pub(crate) struct Config {
    /// How many groups there may be.
    pub(crate) max_groups: u32,
    /// The limits that a group begins with.
    pub(crate) limits: Limits,
}

/// What became of a request for a group.
pub(crate) enum Installed {
    /// It was made.
    Made,
    /// It was there.
    WasThere,
}

/// The name of a group's device, `group<minor>`, as `struct group_t` has it: NUL-terminated, and
/// NUL up to the end.
#[derive(Clone, Copy)]
pub(crate) struct DeviceName([u8; GROUP_DEVNAME_SIZE]);

impl DeviceName {
    fn new(minor: u32) -> Result<Self> {
        struct Cursor<'a>(&'a mut [u8], usize);

        impl Write for Cursor<'_> {
            fn write_str(&mut self, s: &str) -> core::fmt::Result {
                let end = self.1.checked_add(s.len()).ok_or(core::fmt::Error)?;
                let place = self.0.get_mut(self.1..end).ok_or(core::fmt::Error)?;
                place.copy_from_slice(s.as_bytes());
                self.1 = end;
                Ok(())
            }
        }

        let mut name = [0; GROUP_DEVNAME_SIZE];
        // Ten digits at most: 16 bytes with the NUL.
        write!(Cursor(&mut name, 0), "group{minor}").map_err(|_| EOVERFLOW)?;
        Ok(Self(name))
    }

    /// The whole field.
    pub(crate) fn as_bytes(&self) -> &[u8; GROUP_DEVNAME_SIZE] {
        &self.0
    }

    fn as_c_str(&self) -> Result<&CStr> {
        CStr::from_bytes_until_nul(&self.0).map_err(|_| EOVERFLOW)
    }
}

impl Slots for KVVec<Slot> {
    fn try_push(&mut self, slot: Slot) -> bool {
        self.push(slot, GFP_KERNEL).is_ok()
    }
}

/// What the registry's lock protects.
struct Inner {
    /// Which group has which id: entry N is the group with the minor N.
    table: Table<KVVec<u32>, KVVec<Slot>>,
    /// The groups' devices, by minor; each owns its group.
    devices: KVVec<Device<Group>>,
}

/// The groups, and what their devices are made of.
#[pin_data]
pub(crate) struct Registry {
    // Dropped from the top: devices first, then their class, then their numbers.
    #[pin]
    inner: Mutex<Inner>,
    class: Arc<Class<Group>>,
    region: NumberRegion,
    limits: Limits,
}

impl Registry {
    /// Makes a registry without groups: reserves the numbers, registers the class. Process
    /// context; sleeps.
    pub(crate) fn new(config: Config) -> Result<Arc<Self>> {
        let Config { max_groups, limits } = config;
        let buckets = max_groups.checked_next_power_of_two().ok_or(EINVAL)?;
        // A bucket's content does not matter yet.
        let buckets = KVVec::from_elem(0, buckets as usize, GFP_KERNEL)?;
        let region = NumberRegion::register(c"groups", max_groups)?;
        let class = Arc::pin_init(Class::register(c"groups", &sysfs::ATTRIBUTES), GFP_KERNEL)?;

        Arc::pin_init(
            pin_init!(Self {
                inner <- new_mutex!(
                    Inner {
                        table: Table::new(buckets, KVVec::new(), max_groups),
                        devices: KVVec::new(),
                    },
                    "Registry::inner"
                ),
                class,
                region,
                limits,
            }),
            GFP_KERNEL,
        )
    }

    /// The numbers of the groups' devices.
    pub(crate) fn region(&self) -> &NumberRegion {
        &self.region
    }

    /// The group whose device has this minor.
    pub(crate) fn group(&self, minor: u32) -> Option<Arc<Group>> {
        let inner = self.inner.lock();
        let device = inner.devices.get(minor as usize)?;
        Some(device.data().clone())
    }

    /// Finds the group with this id, or makes it.
    ///
    /// `announce` is told the name of the group's device, under the registry's lock, so it must
    /// not wait for anything a program does. It is called once, and before the group is made: when
    /// it fails, nothing has changed.
    ///
    /// Cost: groups / buckets comparisons on average; a new group costs some allocations and a
    /// device. Process context; sleeps. [`EDQUOT`]: all numbers are in use; [`ENOMEM`]; whatever
    /// `announce` returns. On every error nothing has changed.
    pub(crate) fn install(
        &self,
        id: &GroupId,
        announce: impl FnOnce(&DeviceName) -> Result,
    ) -> Result<Installed> {
        let hash = xxh64(id.as_bytes(), 0);
        let mut inner = self.inner.lock();
        let Inner { table, devices } = &mut *inner;

        let found = table.find(hash, |minor| {
            devices
                .get(minor as usize)
                .is_some_and(|device| device.data().id() == id)
        });
        if let Some(minor) = found {
            announce(&DeviceName::new(minor)?)?;
            return Ok(Installed::WasThere);
        }

        let minor = table.next_number().ok_or(EDQUOT)?;
        let number = self.region.number(minor).ok_or(EDQUOT)?;
        let name = DeviceName::new(minor)?;
        announce(&name)?;

        // What is made here is undone by being dropped, until nothing can fail any more.
        devices.reserve(1, GFP_KERNEL)?;
        let group = Group::new(*id, self.limits)?;
        let device = Device::create(&self.class, number, name.as_c_str()?, group)?;
        table.insert(hash).map_err(|err| match err {
            InsertError::Full => EDQUOT,
            InsertError::NoMemory => ENOMEM,
        })?;
        if devices.push_within_capacity(device).is_err() {
            // Cannot be: there is room for one more. It would leave an entry without a group,
            // which nobody finds.
            return Err(ENOMEM);
        }
        pr_debug!("group{minor} installed\n");
        Ok(Installed::Made)
    }
}
