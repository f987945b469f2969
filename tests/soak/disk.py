"""A disk of the soak's own, which can be full: an ext4 file system in a file, or one in memory where that can't be
mounted; in a process that has private mounts, so it is gone with the process."""

import contextlib
import os
import subprocess
import tempfile

from tests.integration import harness

SIZE = 3 << 30
LEAVES = 1 << 20  # bytes that a full one has left: no server of ours works in so little


class Disk:
    def __init__(self):
        """Raises harness.Skip where nothing can be mounted."""
        harness.private_mounts()
        self.top = tempfile.mkdtemp(prefix="stave-soak-")
        self.path, self.kind, self.leave = os.path.join(self.top, "disk"), "ext4", None
        os.mkdir(self.path)
        if not self.mount_image():
            self.kind, self.leave = "tmpfs", harness.tmpfs(SIZE)
            self.path = self.leave.__enter__()
        self.ballast = os.path.join(self.path, "ballast")

    def mount_image(self):
        image = os.path.join(self.top, "image")
        with open(image, "wb") as f:
            f.truncate(SIZE)
        made = subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], capture_output=True)
        return made.returncode == 0 and subprocess.run(["mount", "-o", "loop", image, self.path],
                                                       capture_output=True).returncode == 0

    def free(self):
        st = os.statvfs(self.path)
        return st.f_bavail * st.f_frsize

    def used(self):
        st = os.statvfs(self.path)
        return (st.f_blocks - st.f_bfree) * st.f_frsize

    def fill(self):
        """Somebody else's file takes nearly all."""
        with open(self.ballast, "ab") as f:
            size = os.path.getsize(self.ballast)
            more = self.free() - LEAVES
            if more > 0:
                with contextlib.suppress(OSError):  # the server took it first
                    os.posix_fallocate(f.fileno(), size, more)

    def clear(self):
        if os.path.exists(self.ballast):
            os.unlink(self.ballast)

    def remove(self):
        if self.leave:
            self.leave.__exit__(None, None, None)
        else:
            subprocess.run(["umount", self.path], capture_output=True)
        subprocess.run(["rm", "-rf", self.top])
