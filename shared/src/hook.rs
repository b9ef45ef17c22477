//! The address at which a vendor may say that there is something new about a task:
//! `/hooks/<channel>/<token>` after `PUBLIC_URL` (`docs/contract.md`, "Hooks of vendors").
//!
//! The token is the task's public id without its prefix, and a code. The code is made with the channel's key, which only
//! the vendor and we know. So we store no tokens, and nobody else can make one.

use std::fmt;
use std::fmt::Write as _;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::secret::Secret;
use crate::task::{ChannelId, TaskId};

/// How many bytes of the code a token holds, as two hexadecimal digits each.
const CODE: usize = 16;

/// A task at the channel that makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The channel.
    pub channel: ChannelId,
    /// The task.
    pub task: TaskId,
}

impl Hook {
    /// The path for the vendor whose key this is. `None`: a channel without a key has no hooks, as anybody could make
    /// their addresses.
    pub fn path(&self, key: &Secret) -> Option<String> {
        if key.expose().is_empty() {
            return None;
        }
        let (channel, name, code) = (self.channel, self.name(), self.code(key));
        Some(format!("/hooks/{channel}/{name}{code}"))
    }

    fn code(&self, key: &Secret) -> String {
        let mut digits = String::with_capacity(2 * CODE);
        for byte in self.mac(key).finalize().into_bytes().iter().take(CODE) {
            // Writing into a text never fails.
            let _ = write!(digits, "{byte:02x}");
        }
        digits
    }

    fn name(&self) -> &str {
        let id = self.task.as_str();
        id.strip_prefix(TaskId::PREFIX).unwrap_or(id)
    }

    fn mac(&self, key: &Secret) -> Hmac<Sha256> {
        // As long as a block of SHA-256: any key fits, and its digest stands for it.
        let mut block = [0; 64];
        for (byte, of) in block.iter_mut().zip(key.digest().as_bytes()) {
            *byte = *of;
        }
        let mut mac = <Hmac<Sha256> as Mac>::new(&block.into());
        mac.update(format!("hook {} {}", self.channel, self.task).as_bytes());
        mac
    }
}

/// A hook as a caller names it. [`Called::by`] tells whether the caller knows an address that we made.
#[derive(Clone)]
pub struct Called {
    hook: Hook,
    code: [u8; CODE],
}

impl Called {
    /// The hook in the two parts of a path after `/hooks`. `None`: these are not such parts.
    pub fn read(channel: &str, token: &str) -> Option<Self> {
        let channel = channel.parse().ok().map(ChannelId)?;
        let (name, digits) = token.split_at_checked(TaskId::LETTERS)?;
        let task = format!("{}{name}", TaskId::PREFIX).parse().ok()?;
        if digits.len() != 2 * CODE || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let mut code = [0; CODE];
        for (byte, at) in code.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self {
            hook: Hook { channel, task },
            code,
        })
    }

    /// The channel that the caller names.
    pub fn channel(&self) -> ChannelId {
        self.hook.channel
    }

    /// The hook, if it was made with this key. The comparison takes as long for a wrong code as for the right one.
    pub fn by(self, key: &Secret) -> Option<Hook> {
        let verified = self.hook.mac(key).verify_truncated_left(&self.code);
        (verified.is_ok() && !key.expose().is_empty()).then_some(self.hook)
    }
}

impl fmt::Debug for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.hook)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn hook() -> Hook {
        Hook {
            channel: ChannelId(3),
            task: TaskId::random(&Random::seeded(1)),
        }
    }

    fn called(path: &str) -> Option<Called> {
        let (channel, token) = path.strip_prefix("/hooks/")?.split_once('/')?;
        Called::read(channel, token)
    }

    #[test]
    fn a_path_reads_back_with_the_key_that_made_it_and_with_no_other() {
        let (hook, key) = (hook(), Secret::new("k-1"));
        let path = hook.path(&key).expect("there is a key");
        let read = called(&path).expect("it is a path of ours");
        assert_eq!(read.channel(), ChannelId(3));
        assert_eq!(read.clone().by(&key), Some(hook));
        assert_eq!(read.clone().by(&Secret::new("k-2")), None);
        assert_eq!(read.by(&Secret::new("")), None);
    }

    #[test]
    fn a_channel_without_a_key_has_no_hooks() {
        let (hook, none) = (hook(), Secret::new(""));
        assert_eq!(hook.path(&none), None);
        let code = hook.code(&none);
        let read = Called::read("3", &format!("{}{code}", hook.name())).expect("it reads");
        assert_eq!(read.by(&none), None);
    }

    #[test]
    fn the_address_of_a_task_stays_the_same_from_version_to_version() {
        let hook = Hook {
            channel: ChannelId(3),
            task: "task_0123456789abcdefghijABCDEFGHIJ01"
                .parse()
                .expect("it is an id"),
        };
        let path = hook.path(&Secret::new("k-1"));
        let expected = "/hooks/3/0123456789abcdefghijABCDEFGHIJ0166a1b4c676ce61a6c7d176d6468239f0";
        assert_eq!(path.as_deref(), Some(expected));
    }

    #[test]
    fn the_code_holds_for_one_task_at_one_channel() {
        let (hook, key) = (hook(), Secret::new("k-1"));
        let path = hook.path(&key).expect("there is a key");
        let elsewhere = path.replacen("/3/", "/4/", 1);
        assert_eq!(called(&elsewhere).and_then(|read| read.by(&key)), None);
        let other = TaskId::random(&Random::seeded(2));
        let other = path.replacen(hook.name(), &other.as_str()[5..], 1);
        assert_eq!(called(&other).and_then(|read| read.by(&key)), None);
    }

    #[test]
    fn what_is_no_path_of_ours_does_not_read() {
        let path = hook().path(&Secret::new("k-1")).expect("there is a key");
        let token = path.rsplit('/').next().expect("it has parts");
        let (name, code) = token.split_at(TaskId::LETTERS);
        for (channel, token) in [
            ("3", ""),
            ("3", name),
            ("3", code),
            ("x", token),
            ("", token),
            ("3", &token[1..]),
            ("3", &format!("{token}0")),
            ("3", &format!("{name}{}", code.replace(|_| true, "g"))),
            ("3", &format!("{name}{}", "é".repeat(CODE))),
            ("3", &format!("{}{code}", "é".repeat(16))),
            ("3", &format!("{name}{}", "+1".repeat(CODE))),
        ] {
            assert!(Called::read(channel, token).is_none(), "{channel} {token}");
        }
    }
}
