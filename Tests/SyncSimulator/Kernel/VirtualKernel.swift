import SystemPackage

/// What a `VirtualKernel` tells whoever keeps the history of its files.
package protocol KernelObserver: AnyObject {
    /// A file was created or its content changed.
    ///
    /// - Parameter writers: writers and writable maps that are open afterwards; 0 means that the content is whole.
    func contentChanged(of instance: UInt64, to cells: [UInt8], writers: Int)
    /// Its mtime was set, and nothing else.
    func modificationTimeSet(of instance: UInt64)
    /// A writer or a writable map was opened or closed.
    func writersChanged(of instance: UInt64, to writers: Int)
    /// A file can be reached by an absolute path without symbolic links: it was created, linked or renamed, or a
    /// directory above it was renamed or mounted.
    func nameAppeared(_ instance: UInt64, at path: String)
    func nameDisappeared(_ instance: UInt64, at path: String)
    /// A symbolic link was made, changed or removed: paths through it lead elsewhere.
    func linksChanged()
}

/// A Linux kernel as far as files are concerned: file systems, inotify and processes in memory, in virtual time.
///
/// A file is made of cells; each is one byte here and stands for `cellSize` bytes. Paths are absolute and ASCII. The
/// methods that change something are what people and other programs do; they have all permissions and return an error
/// number, 0 on success. Agents see the kernel by way of a `VirtualProcess`.
package final class VirtualKernel: @unchecked Sendable {
    // Unchecked: the simulator calls everything on one thread.

    package static let cellSize: Int64 = 65_536

    package struct Options: Sendable {
        /// Nanoseconds of which mtime and ctime are multiples: 1, 4 ms (a jiffy), 1 s (ext3), 2 s (FAT).
        package var granularity: Int64
        /// The lowest free inode number is given out first, as ext4 does; otherwise no number is used twice.
        package var reusesInodesAtOnce: Bool
        /// `fs.inotify.max_queued_events`.
        package var queueLimit: Int
        /// `fs.inotify.max_user_watches`, for all processes together.
        package var watchLimit: Int
        /// If not, the lease probe of every file says that it cannot tell.
        package var grantsLeases: Bool

        package init(
            granularity: Int64 = 4_000_000, reusesInodesAtOnce: Bool = true, queueLimit: Int = 16_384,
            watchLimit: Int = 65_536, grantsLeases: Bool = true
        ) {
            self.granularity = granularity
            self.reusesInodesAtOnce = reusesInodesAtOnce
            self.queueLimit = queueLimit
            self.watchLimit = watchLimit
            self.grantsLeases = grantsLeases
        }
    }

    package var options: Options
    package weak var observer: (any KernelObserver)?
    private let clock: () -> Int64
    private var lastInstance: UInt64 = 0
    private var lastCookie: UInt32 = 0
    private(set) var devices: [VirtualDevice] = []
    private var processTable: [ProcessEntry] = []
    var lastMountID = 1
    let root: VirtualInode
    /// Paths that were used before, in components.
    var knownPaths: [String: [String]] = [:]

    /// - Parameter now: the wall clock, in nanoseconds since 1970.
    package init(options: Options = Options(), now: @escaping () -> Int64) {
        self.options = options
        clock = now
        let device = VirtualDevice(
            number: 1, fileSystem: Self.ext4, granularity: options.granularity,
            reusesInodesAtOnce: options.reusesInodesAtOnce)
        lastInstance = 1
        root = VirtualInode(instance: 1, number: 2, device: device, kind: .directory, now: device.stamp(now()))
        device.root = root
        root.links = 1
        device.mountID = 1
        devices = [device]
    }

    deinit {
        for device in devices {
            device.root?.takeApart()
            (device.root, device.point) = (nil, nil)
        }
    }

    package static let ext4: UInt64 = 0xEF53

    /// A file system that is mounted nowhere yet, with an empty root.
    ///
    /// - Parameters:
    ///   - number: its `st_dev`; each device needs one of its own, and 1 is the root file system's.
    ///   - fileSystem: `f_type` of `man 2 statfs`, such as 0x6969 for NFS, on which the agent polls.
    package func makeDevice(
        number: UInt64, fileSystem: UInt64 = VirtualKernel.ext4, granularity: Int64? = nil
    ) -> VirtualDevice {
        let device = VirtualDevice(
            number: number, fileSystem: fileSystem, granularity: granularity ?? options.granularity,
            reusesInodesAtOnce: options.reusesInodesAtOnce)
        lastInstance += 1
        let top = VirtualInode(
            instance: lastInstance, number: 2, device: device, kind: .directory, now: device.stamp(clock()))
        // No name, and not to be freed either.
        top.links = 1
        device.root = top
        devices.append(device)
        return device
    }

    // MARK: Processes

    private struct ProcessEntry { weak var process: VirtualProcess? }

    /// Those that live. A process that nobody holds has ended.
    var processes: [VirtualProcess] { processTable.compactMap(\.process) }

    /// An agent's process.
    ///
    /// - Parameter asProcess: calls its argument, which resumes tasks of this process, so that a scheduler knows whose
    ///   they are. It need not call it once the process is dead.
    package func makeProcess(asProcess: @escaping (() -> Void) -> Void = { $0() }) -> VirtualProcess {
        let process = VirtualProcess(self, asProcess: asProcess)
        processTable.append(ProcessEntry(process: process))
        return process
    }

    func forget(_ process: VirtualProcess) {
        processTable.removeAll { $0.process == nil || $0.process === process }
    }

    // MARK: Inodes

    func now(on device: VirtualDevice) -> Int64 { device.stamp(clock()) }

    func makeInode(_ kind: VirtualInode.Kind, on device: VirtualDevice) -> VirtualInode {
        lastInstance += 1
        return VirtualInode(
            instance: lastInstance, number: device.takeNumber(), device: device, kind: kind, now: now(on: device))
    }

    func open(_ inode: VirtualInode) {
        inode.opens += 1
        inode.device.opens += 1
    }

    func close(_ inode: VirtualInode) {
        inode.opens -= 1
        inode.device.opens -= 1
        release(inode)
        if inode.device.isDetached, inode.device.opens == 0 { shutDown(inode.device) }
    }

    /// Frees an inode that has neither a name nor anybody who holds it open.
    func release(_ inode: VirtualInode) {
        guard inode.links == 0, inode.opens == 0 else { return }
        notifySelf(inode, InotifyMask.deleteSelf)
        for watch in inode.watches { watch.queue.drop(watch) }
        inode.device.giveBack(inode.number)
    }

    /// mtime and ctime move: the content or the entries changed.
    func touch(_ inode: VirtualInode) {
        inode.modified = now(on: inode.device)
        inode.changed = inode.modified
    }

    func touchInode(_ inode: VirtualInode) { inode.changed = now(on: inode.device) }

    // MARK: Telling

    func tellContent(_ inode: VirtualInode) {
        observer?.contentChanged(of: inode.instance, to: inode.cells, writers: inode.writersAndMaps)
    }

    func tellWriters(_ inode: VirtualInode) {
        observer?.writersChanged(of: inode.instance, to: inode.writersAndMaps)
    }

    func newCookie() -> UInt32 {
        lastCookie &+= 1
        return lastCookie
    }

    func notify(
        _ directory: VirtualInode, _ mask: UInt32, _ name: String, isDirectory: Bool, cookie: UInt32 = 0,
        isLinked: Bool = true
    ) {
        for watch in directory.watches where watch.mask & mask != 0 {
            if !isLinked, watch.mask & InotifyMask.excludeUnlinked != 0 { continue }
            watch.queue.post(
                InotifyQueue.Event(
                    watch: watch.number, mask: isDirectory ? mask | InotifyMask.isDirectory : mask, cookie: cookie,
                    name: name))
        }
    }

    /// Tells those who watch the inode itself.
    func notifySelf(_ inode: VirtualInode, _ mask: UInt32, isAlways: Bool = false) {
        for watch in inode.watches where isAlways || watch.mask & mask != 0 {
            watch.queue.post(InotifyQueue.Event(watch: watch.number, mask: mask, cookie: 0, name: ""))
        }
    }
}
