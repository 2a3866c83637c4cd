// SPDX-License-Identifier: GPL-2.0

//! The barrier's alarm, in all interleavings of a few sleepers and awakers.
//!
//! What happens under the barrier's lock is one step. Whatever can happen next is tried, from
//! every state that can be reached, and what the alarm says is compared with the report's words,
//! kept here as a set of threads: who is there, and whom an awaker has woken.

use crate::alarm::{Alarm, Awoken};
use std::collections::HashSet;

/// A thread that sleeps on the barrier, again and again.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Sleeper {
    /// How often it will come.
    times: u8,
    at: Place,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Place {
    /// It has not come, or has left.
    Away,
    /// It has come, and has not looked at the alarm yet.
    Come,
    /// It sleeps, and nobody has woken it.
    Asleep,
    /// It sleeps, and the barrier was awoken since.
    Woken,
}

/// Everything that there is, and what the report says of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct World {
    alarm: Alarm,
    sleepers: Vec<Sleeper>,
    /// How often the barrier will be awoken, by whomever.
    awakes: u8,
    /// Whether the alarm is on, by the report.
    on: bool,
}

impl World {
    fn new(sleepers: usize, times: u8, awakes: u8) -> Self {
        let sleeper = Sleeper {
            times,
            at: Place::Away,
        };
        Self {
            alarm: Alarm::new(),
            sleepers: vec![sleeper; sleepers],
            awakes,
            on: false,
        }
    }

    fn nobody_is_there(&self) -> bool {
        self.sleepers.iter().all(|s| s.at == Place::Away)
    }

    /// A sleeper has left, for whatever reason: the last one turns the alarm off.
    fn left(&mut self, sleeper: usize) {
        self.sleepers[sleeper].at = Place::Away;
        self.on &= !self.nobody_is_there();
    }

    /// Every world that can be next.
    fn steps(&self) -> Vec<Self> {
        let mut worlds = Vec::new();
        for (number, sleeper) in self.sleepers.iter().enumerate() {
            let mut next = self.clone();
            match sleeper.at {
                Place::Away if sleeper.times == 0 => {}
                Place::Away => {
                    next.alarm.come();
                    next.sleepers[number].times -= 1;
                    next.sleepers[number].at = Place::Come;
                    worlds.push(next);
                }
                Place::Come | Place::Asleep | Place::Woken => {
                    // It looks at the alarm: for the first time, or woken, or for no reason.
                    let passes = next.alarm.pass();
                    assert_eq!(passes, self.on, "passes while the alarm is on: {self:?}");
                    if passes {
                        next.left(number);
                    } else {
                        assert_ne!(sleeper.at, Place::Woken, "sleeps on: {self:?}");
                        next.sleepers[number].at = Place::Asleep;
                    }
                    worlds.push(next);
                    // It is interrupted or killed instead.
                    let mut next = self.clone();
                    next.alarm.leave();
                    next.left(number);
                    worlds.push(next);
                }
            }
        }
        if self.awakes > 0 {
            let mut next = self.clone();
            next.awakes -= 1;
            let expected = if self.on {
                Awoken::Before
            } else if self.nobody_is_there() {
                Awoken::Nobody
            } else {
                next.on = true;
                for sleeper in &mut next.sleepers {
                    if sleeper.at != Place::Away {
                        sleeper.at = Place::Woken;
                    }
                }
                Awoken::Now
            };
            assert_eq!(next.alarm.awake(), expected, "{self:?}");
            worlds.push(next);
        }
        worlds
    }
}

/// Tries everything, and returns how many worlds there are.
fn explore(start: World) -> usize {
    let mut seen = HashSet::from([start.clone()]);
    let mut todo = vec![start];
    while let Some(world) = todo.pop() {
        assert!(
            !world.on || !world.nobody_is_there(),
            "on for nobody: {world:?}"
        );
        for next in world.steps() {
            if seen.insert(next.clone()) {
                todo.push(next);
            }
        }
    }
    seen.len()
}

#[test]
fn all_interleavings_of_sleepers_and_awakers_are_as_the_report_says() {
    for (sleepers, times, awakes) in [(1, 3, 3), (2, 2, 3), (3, 2, 3), (4, 1, 2)] {
        let worlds = explore(World::new(sleepers, times, awakes));
        println!("{sleepers} sleepers, {times} times each, {awakes} awakes: {worlds} worlds");
        assert!(worlds > 20);
    }
}

#[test]
fn awake_says_nobody_now_and_before() {
    let mut alarm = Alarm::new();
    assert_eq!(alarm.awake(), Awoken::Nobody);
    alarm.come();
    alarm.come();
    assert!(!alarm.pass());
    assert_eq!(alarm.awake(), Awoken::Now);
    assert!(alarm.pass());
    assert_eq!(alarm.awake(), Awoken::Before);
    assert!(alarm.pass());
    assert_eq!(alarm.awake(), Awoken::Nobody);
}

#[test]
fn who_comes_while_the_alarm_is_on_passes() {
    let mut alarm = Alarm::new();
    alarm.come();
    assert!(!alarm.pass());
    assert_eq!(alarm.awake(), Awoken::Now);
    alarm.come();
    assert!(alarm.pass());
    // The sleeper has not left yet, so the alarm is on for it.
    assert!(alarm.pass());
    alarm.come();
    assert!(!alarm.pass());
}
