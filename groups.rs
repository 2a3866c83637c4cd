// SPDX-License-Identifier: GPL-2.0

//! Groups: threads of any processes exchange messages and synchronize inside named groups.
//!
//! A group is a character device. A program asks any group's device for a group by id, opens the
//! device that it is told, and then writes and reads messages. `include/groups.h` says what
//! programs and the module say to each other.
//!
//! A message goes one way: [`device`] takes it from the program, [`message`] copies it in,
//! [`group`] finds room for it, [`queue`] keeps it, after [`delay`] where it is delayed, and
//! [`device`] hands it out.

use kernel::prelude::*;

#[path = "groups/abi/mod.rs"]
mod abi;
#[path = "groups/alarm.rs"]
mod alarm;
#[path = "groups/barrier.rs"]
mod barrier;
#[path = "groups/delay.rs"]
mod delay;
#[path = "groups/device.rs"]
mod device;
#[path = "groups/group.rs"]
mod group;
#[path = "groups/id.rs"]
mod id;
#[path = "groups/limits.rs"]
mod limits;
#[path = "groups/message.rs"]
mod message;
#[path = "groups/published.rs"]
mod published;
#[path = "groups/queue.rs"]
mod queue;
#[path = "groups/registry.rs"]
mod registry;
#[path = "groups/sysfs.rs"]
mod sysfs;
#[path = "groups/table.rs"]
mod table;
#[path = "groups/uapi.rs"]
mod uapi;
#[path = "groups/waiting.rs"]
mod waiting;

use abi::chrdev::{
    CharDevice,
    MAX_MINORS, //
};
use device::OpenFile;
use id::{
    GroupId,
    ID_SIZE, //
};
use limits::Limits;
use registry::{
    Config,
    Registry, //
};

module! {
    type: Groups,
    name: "groups",
    authors: ["The groups developers"],
    description: "Message exchange and synchronization within named groups",
    license: "GPL v2",
    params: {
        max_groups: u32 {
            default: 2000,
            description: "How many groups there may be (1 to 1048576)",
        },
        max_message_size: usize {
            default: 100,
            description: "The max_message_size that a group begins with, in bytes",
        },
        max_storage_size: usize {
            default: 10000,
            description: "The max_storage_size that a group begins with, in bytes",
        },
    },
}

/// The id of the group that is there from the start, whose device is `group0`.
const FIRST_GROUP: &[u8; 6] = b"groups";

/// The loaded module.
///
/// Unloading drops it, which undoes loading in reverse: the character device goes first, then,
/// with the last reference to the registry, the groups with all their messages, their devices,
/// the class, and the numbers. No file is open then, for each holds the module.
struct Groups {
    _device: Pin<KBox<CharDevice<OpenFile>>>,
}

impl kernel::Module for Groups {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let config = config()?;
        let max_groups = config.max_groups;

        // Each step is undone by being dropped when a later one fails.
        let registry = Registry::new(config)?;
        registry.install(&first_group()?, |_| Ok(()))?;
        let major = registry.region().major();

        // The last step: from here on, files may be open.
        let device = KBox::pin_init(
            CharDevice::add(registry.region(), registry.clone()),
            GFP_KERNEL,
        )?;

        pr_info!("loaded: major {major}, up to {max_groups} groups\n");
        Ok(Self { _device: device })
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        pr_info!("unloaded\n");
    }
}

/// The module's parameters, if they make sense. [`EINVAL`]: the log says which does not.
fn config() -> Result<Config> {
    let max_groups = *module_parameters::max_groups.value_ref();
    let limits = Limits {
        max_message_size: *module_parameters::max_message_size.value_ref(),
        max_storage_size: *module_parameters::max_storage_size.value_ref(),
    };
    if max_groups == 0 || max_groups > MAX_MINORS {
        pr_err!("max_groups is {max_groups}, must be 1 to {MAX_MINORS}\n");
        return Err(EINVAL);
    }
    if limits.max_message_size == 0 {
        pr_err!("max_message_size is 0, must be at least 1\n");
        return Err(EINVAL);
    }
    if limits.max_storage_size < limits.max_message_size {
        pr_err!(
            "max_storage_size is {}, must be at least max_message_size, {}\n",
            limits.max_storage_size,
            limits.max_message_size
        );
        return Err(EINVAL);
    }
    Ok(Config { max_groups, limits })
}

/// The first group's id.
fn first_group() -> Result<GroupId> {
    let mut id = [0; ID_SIZE];
    if let Some(place) = id.get_mut(..FIRST_GROUP.len()) {
        place.copy_from_slice(FIRST_GROUP);
    }
    GroupId::parse(&id).ok_or(EINVAL)
}
