import FolderWatch
import Glibc
import SyncCore
import SystemPackage

/// A system call of an agent that `VirtualProcess.beforeCall` is asked about.
package enum VirtualCall: Sendable {
    case open, status, readEntries, addWatch
}

/// How much an agent asked of the kernel; the keys are instances of inodes.
package struct KernelStatistics: Sendable {
    package internal(set) var looks: [UInt64: Int] = [:]
    /// Looks at paths at which there was no file.
    package internal(set) var looksAtNothing = 0
    package internal(set) var opens: [UInt64: Int] = [:]
    package internal(set) var readsByInode: [UInt64: Int] = [:]

    /// Of all files.
    package var cellsRead: Int { readsByInode.values.reduce(0, +) }
}

/// What one agent has of the kernel: its descriptors, and calls with its permissions.
package final class VirtualProcess: @unchecked Sendable {
    // Unchecked: the simulator calls everything on one thread.

    enum Descriptor {
        case directory(VirtualInode, lastName: String?)
        case inotify(InotifyQueue)
    }

    package let kernel: VirtualKernel
    /// Called before a system call takes effect, also in the middle of an errand of the watcher or of a batch of the
    /// scanner: other programs can act here. What is returned, if it is not 0, is the error number of the call.
    package var beforeCall: ((VirtualCall) -> Int32)?
    package internal(set) var statistics = KernelStatistics()
    package private(set) var isAlive = true
    private let asProcess: (() -> Void) -> Void
    private var descriptors: [Int32: Descriptor] = [:]
    /// Files that are open for reading.
    private var files: [UInt64: (inode: VirtualInode, count: Int)] = [:]
    private var mountListeners: [KernelSignal] = []
    private var signals: [KernelSignal] = []

    /// See `VirtualKernel.makeProcess`.
    init(_ kernel: VirtualKernel, asProcess: @escaping (() -> Void) -> Void) {
        self.kernel = kernel
        self.asProcess = asProcess
    }

    deinit { kill() }

    /// Ends the process as SIGKILL does: everything that it has open is closed, and nothing can be opened any more.
    package func kill() {
        guard isAlive else { return }
        isAlive = false
        for descriptor in descriptors.keys.sorted() { close(descriptor) }
        for (inode, count) in files.values.sorted(by: { $0.inode.instance < $1.inode.instance }) {
            for _ in 0..<count { kernel.close(inode) }
        }
        files = [:]
        kernel.forget(self)
        for signal in signals { signal.raise() }
    }

    /// A signal that ends its waits when the process is killed.
    func makeSignal() -> KernelSignal {
        let signal = KernelSignal(asProcess)
        signals.append(signal)
        return signal
    }

    // MARK: Descriptors

    private func add(_ descriptor: Descriptor) -> Int32 {
        var number: Int32 = 3
        while descriptors[number] != nil { number += 1 }
        descriptors[number] = descriptor
        return number
    }

    func open(directory inode: VirtualInode) -> Int32 {
        kernel.open(inode)
        return add(.directory(inode, lastName: nil))
    }

    func directory(_ descriptor: Int32) throws(Errno) -> VirtualInode {
        guard case .directory(let inode, _) = descriptors[descriptor] else { throw .badFileDescriptor }
        return inode
    }

    /// The last name that was read of a directory.
    func lastName(of descriptor: Int32) -> String? {
        if case .directory(_, let lastName) = descriptors[descriptor] { lastName } else { nil }
    }

    func setLastName(of descriptor: Int32, to name: String?) {
        guard case .directory(let inode, _) = descriptors[descriptor] else { return }
        descriptors[descriptor] = .directory(inode, lastName: name)
    }

    package func close(_ descriptor: Int32) {
        switch descriptors.removeValue(forKey: descriptor) {
        case .directory(let inode, _): kernel.close(inode)
        case .inotify(let queue): queue.close()
        case nil: break
        }
    }

    /// A call's result: what `body` returns, or a negative error number.
    func call(_ call: VirtualCall, _ body: () throws(Errno) -> Int32) -> Int32 {
        guard isAlive else { return -ESRCH }
        let refusal = beforeCall?(call) ?? 0
        guard refusal == 0 else { return -refusal }
        do throws(Errno) { return try body() } catch { return -error.rawValue }
    }

    // MARK: Files

    /// Opens a file for reading; `close(file:)` closes it.
    func open(file inode: VirtualInode) {
        kernel.open(inode)
        files[inode.instance, default: (inode, 0)].count += 1
    }

    /// Nothing happens if the process was killed meanwhile.
    func close(file inode: VirtualInode) {
        guard let count = files[inode.instance]?.count else { return }
        files[inode.instance] = count > 1 ? (inode, count - 1) : nil
        kernel.close(inode)
    }

    // MARK: Inotify

    /// The calls of watching, for a watcher whose steps are made by `KernelWatcher`.
    func system(readable: KernelSignal, lister: KernelSignal, instance: @escaping (Int32) -> Void) -> InotifySystem {
        // The closures have to be sendable; everything here stays on one thread.
        let instance = Unchecked(instance)
        var system = InotifySystem()
        system.directories = self
        system.threads = .stepped(wakeLister: { lister.raise() })
        system.makeInstance = { [self] in
            let made = makeInstance(readable)
            instance.value(made)
            return made
        }
        system.addWatch = { [self] in addWatch($0, $1, $2) }
        system.removeWatch = { [self] in removeWatch($0, $1) }
        system.fileSystem = { [self] in try? directory($0).device.fileSystem }
        system.sysctl = { [kernel] name in
            switch name {
            case "fs.inotify.max_user_watches": Int64(kernel.options.watchLimit)
            case "fs.inotify.max_queued_events": Int64(kernel.options.queueLimit)
            default: nil
            }
        }
        system.mounts = { [kernel] in kernel.mountinfo() }
        return system
    }

    private func makeInstance(_ readable: KernelSignal) -> Int32 {
        guard isAlive else { return -ESRCH }
        return add(.inotify(InotifyQueue(limit: kernel.options.queueLimit) { readable.raise() }))
    }

    private func addWatch(_ instance: Int32, _ directory: Int32, _ mask: UInt32) -> Int32 {
        call(.addWatch) { () throws(Errno) in
            let inode = try self.directory(directory)
            guard let queue = queue(instance) else { throw .badFileDescriptor }
            guard inode.isReadable else { throw .permissionDenied }
            if !inode.watches.contains(where: { $0.queue === queue }) {
                guard kernel.watchCount < kernel.options.watchLimit else { throw .noSpace }
            }
            return queue.watch(inode, mask)
        }
    }

    private func removeWatch(_ instance: Int32, _ number: Int32) -> Int32 {
        guard let watch = queue(instance)?.watches[number] else { return -EINVAL }
        watch.queue.drop(watch)
        return 0
    }

    private func queue(_ instance: Int32) -> InotifyQueue? {
        if case .inotify(let queue) = descriptors[instance] { queue } else { nil }
    }

    var watchCount: Int {
        descriptors.values.reduce(0) { count, descriptor in
            if case .inotify(let queue) = descriptor { count + queue.watches.count } else { count }
        }
    }

    /// How many events wait to be read.
    func readableCount(_ instance: Int32) -> Int { queue(instance)?.count ?? 0 }

    func readEvents(_ instance: Int32, atMost size: Int) -> [UInt8] { queue(instance)?.read(atMost: size) ?? [] }

    /// The signal is raised when something is mounted or unmounted.
    func listenForMounts(_ signal: KernelSignal) { mountListeners.append(signal) }

    func mountsChanged() {
        for signal in mountListeners { signal.raise() }
    }
}

/// Lets a closure that stays on the simulator's thread go where only sendable ones may.
private struct Unchecked<Value>: @unchecked Sendable {
    // Unchecked: the simulator calls everything on one thread.
    let value: Value

    init(_ value: Value) {
        self.value = value
    }
}

extension VirtualKernel {
    /// Of all processes.
    var watchCount: Int { processes.reduce(0) { $0 + $1.watchCount } }
}
