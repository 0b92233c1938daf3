import SystemPackage

/// Mounts. There is one mount namespace, and a device is mounted in one place at most; no bind mounts.
extension VirtualKernel {
    /// Mounts a device over a directory.
    @discardableResult
    package func mount(_ device: VirtualDevice, at path: String) -> Int32 {
        code { () throws(Errno) in
            let point = try inode(at: path)
            guard point.isDirectory else { throw .notDirectory }
            guard point !== root, device.point == nil, device !== devices[0] else { throw .resourceBusy }
            guard let top = device.root else { return }
            tellNames(of: point, at: self.path(of: point), isThere: false)
            lastMountID += 1
            (device.point, device.mountID, device.isDetached) = (point, lastMountID, false)
            point.covering = device
            tellNames(of: top, at: self.path(of: top), isThere: true)
            mountsChanged()
        }
    }

    /// - Parameter isLazy: detaches a file system that is in use (`umount -l`). It ends when nobody has a file of it
    ///   open any more.
    @discardableResult
    package func unmount(_ path: String, isLazy: Bool = false) -> Int32 {
        code { () throws(Errno) in
            let device = try mounted(at: path)
            guard !hasMounts(device) else { throw .resourceBusy }
            guard isLazy || device.opens == 0 else { throw .resourceBusy }
            detach(device)
            if device.opens == 0 { shutDown(device) } else { device.isDetached = true }
            mountsChanged()
        }
    }

    /// Unmounts a device and mounts it again in the same place under another number, as a reboot or another order of
    /// USB disks does. Files that are open (if `isLazy`) see the new number too.
    @discardableResult
    package func remount(_ path: String, number: UInt64, isLazy: Bool = false) -> Int32 {
        code { () throws(Errno) in
            let device = try mounted(at: path)
            guard let point = device.point.flatMap({ self.path(of: $0) }) else { throw .invalidArgument }
            for step in [{ self.unmount(path, isLazy: isLazy) }, { self.mount(device, at: point) }] {
                let result = step()
                guard result == 0 else { throw Errno(rawValue: result) }
                device.number = number
            }
        }
    }

    private func mounted(at path: String) throws(Errno) -> VirtualDevice {
        let top = try inode(at: path)
        guard top === top.device.root, top.device.point != nil else { throw .invalidArgument }
        return top.device
    }

    private func hasMounts(_ device: VirtualDevice) -> Bool {
        devices.contains { $0.point?.device === device }
    }

    private func detach(_ device: VirtualDevice) {
        guard let top = device.root, let point = device.point else { return }
        tellNames(of: top, at: path(of: top), isThere: false)
        point.covering = nil
        device.point = nil
        tellNames(of: point, at: path(of: point), isThere: true)
    }

    /// The file system ends: its watches are told, then gone.
    func shutDown(_ device: VirtualDevice) {
        device.isDetached = false
        guard let root = device.root else { return }
        var directories = [root]
        while let directory = directories.popLast() {
            notifySelf(directory, InotifyMask.unmount, isAlways: true)
            for watch in directory.watches { watch.queue.drop(watch) }
            directories += directory.entries.reversed().map(\.inode).filter(\.isDirectory)
        }
    }

    private func mountsChanged() {
        for process in processes { process.mountsChanged() }
    }

    /// `man 5 proc_pid_mountinfo`.
    func mountinfo() -> [UInt8] {
        var lines = "1 0 0:1 / / rw - ext4 /dev/root rw\n"
        for device in devices.dropFirst() {
            guard let point = device.point, let path = path(of: point) else { continue }
            lines += "\(device.mountID) 1 0:\(device.number) / \(path) rw - ext4 /dev/\(device.number) rw\n"
        }
        return Array(lines.utf8)
    }
}
