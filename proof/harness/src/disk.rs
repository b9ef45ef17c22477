//! A small file system that can be filled. To mount it takes the rights of root.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory. It is unmounted when this is dropped.
#[derive(Debug)]
pub struct Disk(PathBuf);

impl Disk {
    /// Mounts a file system of so many MiB on a new folder. Panics without the right to.
    pub fn mount(folder: &Path, mebibytes: u32) -> Self {
        std::fs::create_dir(folder).expect("the folder is new");
        let options = format!("size={mebibytes}m,mode=1777");
        let mounted = as_root(&["mount", "-t", "tmpfs", "-o", &options, "tmpfs"], folder);
        assert!(
            mounted,
            "a file system can be mounted; that takes the rights of root"
        );
        Self(folder.to_owned())
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let mut file = File::create(self.filler()).expect("a file is made");
        for size in [64 * 1024, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Makes room again.
    pub fn free(&self) {
        std::fs::remove_file(self.filler()).expect("it was filled");
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if !as_root(&["umount", "--lazy"], &self.0) {
            eprintln!("{} could not be unmounted", self.0.display());
        }
    }
}

/// Whether a command on a folder succeeds with the rights of root, or with a sudo that asks for nothing.
fn as_root(command: &[&str], folder: &Path) -> bool {
    let run = r#"[ "$(id -u)" = 0 ] || exec sudo -n "$@"; exec "$@""#;
    let mut shell = Command::new("sh");
    shell.args(["-c", run, "sh"]).args(command).arg(folder);
    shell.status().is_ok_and(|status| status.success())
}
