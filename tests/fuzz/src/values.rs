// SPDX-License-Identifier: GPL-2.0

//! What the numbers in a call stand for: sizes, memory, ioctl commands, flags, texts. All are
//! total: every number stands for something.

use std::borrow::Cow;
use std::ffi::CStr;
use std::fmt;

/// The groups that programs work on most, and the device of each. The fuzzer installs them, in
/// this order, right after loading the module.
pub const GROUPS: [&[u8]; 2] = [b"fuzz-a", b"fuzz-b"];
/// How many groups there may be, which is few, so that running out of them is not rare.
pub const MAX_GROUPS: u32 = 40;
/// Devices that the fuzzer makes for minors that have no group: one that could, one that cannot.
pub const NODES: [(&CStr, u32); 2] = [
    (c"/dev/groups-fuzz-none", MAX_GROUPS - 1),
    (c"/dev/groups-fuzz-never", MAX_GROUPS),
];

fn pick<T: Copy>(from: &[T], by: impl Into<usize>) -> T {
    from[by.into() % from.len()]
}

// ------------------------------------------------------------------------------- memory

/// What kind of memory a pointer points to. `memory.rs` makes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Region {
    /// Ordinary, a megabyte.
    Data,
    /// Ordinary, but nobody has used it yet: the first use is a page fault.
    Fresh,
    ReadOnly,
    NoAccess,
    Unmapped,
    /// Ordinary up to an edge; no access behind it.
    Cliff,
    /// Ordinary up to an edge; read-only behind it.
    ReadCliff,
    /// A file up to an edge; the mapping goes on where the file has ended.
    PastFile,
    /// Ordinary up to an edge; behind it a page that takes a while (userfaultfd).
    Slow,
    /// Ordinary up to an edge; behind it a page that never comes.
    Never,
    /// Changed by others at any time.
    Shaky,
    /// Shared by all processes.
    Shared,
    /// The program's own code.
    Code,
    Null,
    Low,
    KernelData,
    KernelText,
    ModuleText,
    NonCanonical,
    UserEnd,
    Top,
    Vsyscall,
    End32,
}

impl Region {
    pub const ALL: [Self; 23] = [
        Self::Data,
        Self::Fresh,
        Self::ReadOnly,
        Self::NoAccess,
        Self::Unmapped,
        Self::Cliff,
        Self::ReadCliff,
        Self::PastFile,
        Self::Slow,
        Self::Never,
        Self::Shaky,
        Self::Shared,
        Self::Code,
        Self::Null,
        Self::Low,
        Self::KernelData,
        Self::KernelText,
        Self::ModuleText,
        Self::NonCanonical,
        Self::UserEnd,
        Self::Top,
        Self::Vsyscall,
        Self::End32,
    ];
}

/// Where in its region a pointer points.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Place {
    Start,
    Second,
    Odd,
    /// So that the last byte is in front of the edge.
    Fits,
    /// So that half of it is in front of the edge.
    Half,
    /// One byte in front of the edge.
    LastByte,
    /// A group's id and one byte more in front of the edge.
    LastId,
    /// One byte too few in front of the edge.
    Misses,
}

impl Place {
    const ALL: [Self; 8] = [
        Self::Start,
        Self::Second,
        Self::Odd,
        Self::Fits,
        Self::Half,
        Self::LastByte,
        Self::LastId,
        Self::Misses,
    ];

    /// The address, for `size` bytes in a region that starts and has its edge there.
    pub fn address(self, start: usize, edge: usize, size: usize) -> usize {
        // What is larger than the region begins somewhere in front of it, in the next one.
        let size = size.min(1 << 20);
        match self {
            Self::Start => start,
            Self::Second => start.wrapping_add(1),
            Self::Odd => start.wrapping_add(7),
            Self::Fits => edge.wrapping_sub(size),
            Self::Half => edge.wrapping_sub(size / 2),
            Self::LastByte => edge.wrapping_sub(1),
            Self::LastId => edge.wrapping_sub(33),
            Self::Misses => edge.wrapping_sub(size.saturating_sub(1)),
        }
    }
}

/// A pointer: 5 bits of a byte are its region, 3 its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    pub region: Region,
    pub place: Place,
}

impl Memory {
    pub fn from_byte(byte: u8) -> Self {
        Self {
            region: pick(&Region::ALL, byte & 31),
            place: pick(&Place::ALL, byte >> 5),
        }
    }

    pub fn to_byte(self) -> u8 {
        self.region as u8 | ((self.place as u8) << 5)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}.{:?}", self.region, self.place)
    }
}

// -------------------------------------------------------------------------------- sizes

/// How many kinds of sizes there are.
pub const SIZE_KINDS: u8 = 16;

/// The largest count that one call can carry: the kernel cuts what is more.
const MAX_RW_COUNT: usize = 0x7fff_f000;

/// A size, in bytes. The kinds are the columns of what programs get wrong.
pub fn size(kind: u8, value: u16) -> usize {
    let value = usize::from(value);
    match kind % SIZE_KINDS {
        0 => value % 16,
        1 => value % 101,
        2 => 96 + value % 9,
        3 => value,
        4 => 4092 + value % 9,
        5 => 58,
        6 => 1 << (value % 64),
        7 => (1 << (value % 64)) - 1,
        8 => (MAX_RW_COUNT - 4) + value % 9,
        9 => 9996 + value % 9,
        10 => usize::MAX - value,
        11 => isize::MAX as usize - value % 4096,
        12 => u32::MAX as usize - value % 4096,
        13 => i32::MAX as usize - value % 4096,
        14 => 1,
        _ => value * 16,
    }
}

/// How many buffers a vector has: as many as the kernel takes, and more.
pub fn vector_count(value: u16) -> i64 {
    let counts = [
        1,
        2,
        3,
        0,
        8,
        9,
        63,
        1024,
        1025,
        -1,
        i64::MAX,
        i64::MIN,
        1 << 32,
        4,
        5,
        16,
    ];
    pick(&counts, value >> 4)
}

// ------------------------------------------------------------------------ commands, flags

/// The contract's ioctl commands, those of old programs, and some that every file has.
const COMMANDS: [u64; 28] = [
    0x7801,
    0x7802,
    0xc03a_7803,
    0xc008_7803,
    0x4004_7804,
    0x4008_7804,
    0x7805,
    0x4004_7806,
    0x541b,
    // As 32-bit programs of the report's header have them.
    0xc004_7803,
    // In other directions, with other sizes, and those next to them.
    0x7803,
    0x7804,
    0x7806,
    0x7807,
    0x7800,
    0x8004_7804,
    0xc004_7806,
    0x4008_7806,
    0x4004_7805,
    0x8004_7802,
    // FIOCLEX, FIONBIO, FIOASYNC, FIOQSIZE, FIGETBSZ, TCGETS, BLKGETSIZE64, FS_IOC_GETFLAGS
    0x5451,
    0x5421,
    0x5452,
    0x5460,
    2,
    0x5401,
    0x8008_1272,
    0x8008_6601,
];

/// An ioctl command: mostly one of the list; also with a bit wrong, with upper bits that a command
/// does not have, or any.
pub fn command(choice: u8, value: u16) -> u64 {
    let known = pick(&COMMANDS, choice & 31);
    match choice >> 5 {
        5 => known ^ (1 << (value % 32)),
        6 => known | (u64::from(value) << 32),
        7 => (u64::from(value) << 16) | 0x7800 | u64::from(choice & 31),
        _ => known,
    }
}

/// Whether the command's argument is a group's id, rather than a number.
pub fn takes_id(choice: u8) -> bool {
    matches!(choice & 31, 2 | 3 | 9 | 10)
}

/// The paths that are opened: of the groups, mostly.
pub fn path(choice: u8) -> &'static CStr {
    const PATHS: [&CStr; 12] = [
        c"/dev/group1",
        c"/dev/group2",
        c"/dev/group1",
        c"/dev/group2",
        c"/dev/group0",
        c"/dev/synch/group0",
        c"/dev/group3",
        c"/dev/group39",
        c"/dev/groups-fuzz-none",
        c"/dev/groups-fuzz-never",
        c"/dev/null",
        c"/dev/zero",
    ];
    pick(&PATHS, choice)
}

/// How a file is opened: an access mode (the 4th is none), and further flags.
pub fn open_flags(value: u16) -> i32 {
    const MORE: [i32; 16] = [
        0,
        0,
        0,
        libc::O_NONBLOCK,
        libc::O_NONBLOCK,
        libc::O_APPEND,
        libc::O_ASYNC,
        libc::O_CLOEXEC,
        libc::O_DIRECT,
        libc::O_TRUNC,
        libc::O_PATH,
        libc::O_DIRECTORY,
        libc::O_SYNC,
        libc::O_NOCTTY | libc::O_NOATIME,
        libc::O_NOFOLLOW,
        libc::O_DIRECT | libc::O_NONBLOCK | libc::O_DSYNC,
    ];
    const ACCESS: [i32; 8] = [2, 2, 2, 2, 2, 0, 1, 3];
    pick(&ACCESS, value & 7) | pick(&MORE, value >> 3)
}

/// Flags of preadv2 and pwritev2.
pub fn call_flags(choice: u8) -> i32 {
    const FLAGS: [i32; 16] = [
        0, 8, 8, 8, 8, 1, 2, 4, 0x10, 0x20, 0x40, 0x80, 9, 0x18, 0x100, -1,
    ];
    pick(&FLAGS, choice)
}

/// The number that an ioctl's argument points to: delays and timeouts in ms, mostly short.
pub fn number(value: u16) -> i32 {
    const NUMBERS: [i32; 16] = [
        0,
        1,
        2,
        3,
        5,
        10,
        20,
        40,
        200,
        60_000,
        -1,
        -1,
        -2,
        i32::MAX,
        i32::MIN,
        0x7fff_0000,
    ];
    pick(&NUMBERS, value)
}

/// The id that INSTALL_GROUP's argument has.
pub fn id(value: u16) -> [u8; 32] {
    let text: Cow<'static, [u8]> = match value & 7 {
        0 => GROUPS[0].into(),
        1 => GROUPS[1].into(),
        2 => b"groups".into(),
        3 => b""[..].into(),
        4 => [b'x'; 32].to_vec().into(),
        5 => b"fuzz-a\0and what means nothing".into(),
        6 => [0xff; 31].to_vec().into(),
        // Some hundred others, of which most come again.
        _ => format!("{:x}", value >> 7).into_bytes().into(),
    };
    let mut id = [0; 32];
    id[..text.len()].copy_from_slice(&text);
    id
}

/// Events of poll and select.
pub fn events(choice: u8) -> i16 {
    const EVENTS: [i16; 8] = [
        libc::POLLIN,
        libc::POLLOUT,
        libc::POLLIN | libc::POLLOUT,
        libc::POLLPRI,
        libc::POLLRDNORM | libc::POLLRDBAND,
        libc::POLLWRNORM | libc::POLLWRBAND,
        0,
        -1,
    ];
    pick(&EVENTS, choice)
}

/// Events of epoll: level, edge, once, exclusive.
pub fn epoll_events(choice: u8) -> u32 {
    let more = [
        0,
        libc::EPOLLET,
        libc::EPOLLONESHOT,
        libc::EPOLLEXCLUSIVE,
        libc::EPOLLEXCLUSIVE | libc::EPOLLET,
        libc::EPOLLWAKEUP,
        libc::EPOLLET | libc::EPOLLONESHOT,
        -1,
    ];
    let what = pick(&[1, 4, 5, 5], choice >> 6);
    what | pick(&more, choice & 7) as u32
}

/// EPOLL_CTL_ADD more often than the others.
pub fn epoll_command(value: u16) -> i32 {
    pick(&[1, 1, 1, 1, 3, 2, 0, 4], value)
}

/// How long poll and the like wait.
pub fn wait_ms(value: u16) -> i32 {
    pick(&[0, 0, 1, 5, 10, 25, -1, -1], value >> 8)
}

pub fn sleep_ms(value: u16) -> u64 {
    u64::from(value % 30)
}

/// A command of fcntl and its argument. The owner is 1 for the process itself.
pub fn fcntl(choice: u8, value: u16) -> (i32, u64) {
    const F_SETSIG: i32 = 10;
    let signal = u64::from(value % 65);
    match choice % 12 {
        0..=2 => (
            libc::F_SETFL,
            pick(&[0x800, 0, 0x2000, 0x2800, 0x400, 0x4000], value),
        ),
        3 => (libc::F_SETOWN, u64::from(value & 1)),
        4 => (F_SETSIG, signal),
        5 => (libc::F_DUPFD, u64::from(value)),
        6 => (libc::F_SETFD, u64::from(value & 1)),
        7 => (libc::F_GETFL, 0),
        8 => (libc::F_SETLEASE, pick(&[0, 1, 2, 3], value)),
        9 => (libc::F_SETPIPE_SZ, u64::from(value)),
        10 => (libc::F_NOTIFY, u64::from(value)),
        _ => (i32::from(value), u64::from(value)),
    }
}

// -------------------------------------------------------------------------------- sysfs

/// An attribute of a group: the first three are the module's, the others every device's.
pub fn attribute(choice: u8) -> String {
    const NAMES: [&str; 8] = [
        "max_message_size",
        "max_storage_size",
        "max_message_size",
        "max_storage_size",
        "id",
        "dev",
        "power/control",
        "uevent",
    ];
    let minor = pick(&[1, 1, 1, 2, 2, 0, 3, 39], choice >> 3);
    format!(
        "/sys/class/groups/group{minor}/{}",
        pick(&NAMES, choice & 7)
    )
}

/// What is written into an attribute.
pub fn text(value: u16) -> Cow<'static, [u8]> {
    const TEXTS: [&[u8]; 32] = [
        b"100",
        b"10000\n",
        b"4096\n",
        b"65536",
        b"1048576",
        b"1",
        b"0",
        b"",
        b"\n",
        b"100\n\n",
        b"-1",
        b"+5",
        b" 7",
        b"7 ",
        b"0x10",
        b"010",
        b"18446744073709551615",
        b"18446744073709551616",
        b"99999999999999999999999999",
        b"9223372036854775808",
        b"00000000000000000000000000000000000001",
        b"1e3",
        b"12\x0034",
        b"\xff\xfe",
        b"change",
        b"2147479552",
        b"2147483648",
        b"4294967296",
        b"101",
        b"58",
        b"3",
        b"64",
    ];
    match value {
        0xff00..=0xff7f => vec![b'9'; 4096].into(),
        0xff80.. => vec![b'0'; usize::from(value)].into(),
        _ => pick(&TEXTS, value).into(),
    }
}
