//! File systems that are on another machine, where a file can change or go without this one being told.

use std::fs::File;

/// What Linux calls them, by the number that `fstatfs` gives.
#[cfg(target_os = "linux")]
const NETWORKS: &[(u64, &str)] = &[
    (0x6969, "nfs"),
    (0x517b, "smb"),
    (0xfe53_4d42, "smb2"),
    (0xff53_4d42, "cifs"),
    (0x00c3_6400, "ceph"),
    (0x5346_414f, "afs"),
    (0x0102_1997, "9p"),
    (0x0bd0_0bd0, "lustre"),
    (0x4750_4653, "gpfs"),
    (0x1983_0326, "beegfs"),
];
#[cfg(target_os = "linux")]
const FUSE: u64 = 0x6573_5546;
/// What is over a network of those that programs make.
#[cfg(target_os = "linux")]
const PROGRAMS: &[&str] =
    &["sshfs", "s3fs", "mountpoint-s3", "gcsfuse", "rclone", "blobfuse", "blobfuse2", "juicefs", "goofys", "davfs"];

/// The name of the kind, where the file lies on one.
#[cfg(target_os = "linux")]
pub(crate) fn of(file: &File) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let kind = rustix::fs::fstatfs(file).ok()?.f_type as u64 & 0xffff_ffff;
    if kind == FUSE {
        let mounted = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        return program(&mounted, file.metadata().ok()?.dev());
    }
    named(kind).map(str::to_owned)
}

/// Elsewhere nobody is asked.
#[cfg(not(target_os = "linux"))]
pub(crate) fn of(_: &File) -> Option<String> {
    None
}

#[cfg(target_os = "linux")]
fn named(kind: u64) -> Option<&'static str> {
    NETWORKS.iter().find(|(number, _)| *number == kind).map(|&(_, name)| name)
}

/// The program that a device is mounted by, of those that are over a network.
#[cfg(target_os = "linux")]
fn program(mounted: &str, device: u64) -> Option<String> {
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let line = mounted.lines().find(|line| line.split(' ').nth(2) == Some(&device))?;
    let (_, behind) = line.split_once(" - ")?;
    let mut fields = behind.split(' ');
    // The kind, as `fuse.sshfs`, and what is mounted, where some programs have their name.
    let (kind, source) = (fields.next()?, fields.next().unwrap_or_default());
    let name = kind.strip_prefix("fuse.").unwrap_or(source);
    PROGRAMS.contains(&name).then(|| name.to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn file_systems_of_this_machine_are_none() {
        assert_eq!(of(&File::open("/proc/self/maps").expect("a file")), None);
        assert_eq!(of(&tempfile::tempfile().expect("a file")), None);
    }

    #[test]
    fn those_of_others_have_names() {
        assert_eq!(named(0x6969), Some("nfs"));
        assert_eq!(named(0xef53), None);
        let mounted = "36 35 98:0 / /mnt1 rw,noatime master:1 - ext3 /dev/root rw\n\
                       90 35 0:45 / /mnt2 rw,nosuid shared:5 - fuse.sshfs host:/data rw\n\
                       91 35 0:46 / /mnt3 rw,nosuid shared:5 - fuse mountpoint-s3 rw\n\
                       92 35 0:47 / /mnt4 rw,nosuid - fuse.encfs encfs rw\n";
        assert_eq!(program(mounted, rustix::fs::makedev(0, 45)).as_deref(), Some("sshfs"));
        assert_eq!(program(mounted, rustix::fs::makedev(0, 46)).as_deref(), Some("mountpoint-s3"));
        assert_eq!(program(mounted, rustix::fs::makedev(0, 47)), None);
        assert_eq!(program(mounted, rustix::fs::makedev(0, 99)), None);
    }
}
