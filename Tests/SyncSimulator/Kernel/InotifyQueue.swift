import Glibc

/// What inotify tells, by the names of `man 7 inotify`.
enum InotifyMask {
    static let closeWrite = UInt32(IN_CLOSE_WRITE)
    static let movedFrom = UInt32(IN_MOVED_FROM)
    static let movedTo = UInt32(IN_MOVED_TO)
    static let create = UInt32(IN_CREATE)
    static let delete = UInt32(IN_DELETE)
    static let deleteSelf = UInt32(IN_DELETE_SELF)
    static let moveSelf = UInt32(IN_MOVE_SELF)
    static let unmount = UInt32(IN_UNMOUNT)
    static let overflow = UInt32(IN_Q_OVERFLOW)
    static let ignored = UInt32(IN_IGNORED)
    static let isDirectory = UInt32(IN_ISDIR)
    static let excludeUnlinked = UInt32(IN_EXCL_UNLINK)
    static let add = UInt32(IN_MASK_ADD)
    static let allEvents: UInt32 = 0xFFF
}

/// A watch of one instance on one inode.
final class VirtualWatch {
    unowned let queue: InotifyQueue
    unowned let inode: VirtualInode
    let number: Int32
    var mask: UInt32

    init(queue: InotifyQueue, inode: VirtualInode, number: Int32, mask: UInt32) {
        self.queue = queue
        self.inode = inode
        self.number = number
        self.mask = mask
    }
}

/// One inotify instance: its watches, and the events that nobody has read yet (`fs/notify` of Linux).
final class InotifyQueue {
    struct Event {
        let watch: Int32
        let mask: UInt32
        let cookie: UInt32
        let name: String

        /// A name ends with NUL and fills whole headers.
        var nameSize: Int { name.isEmpty ? 0 : (name.utf8.count + 1 + 15) / 16 * 16 }

        /// The kernel does not compare cookies.
        func isSame(as other: Event) -> Bool {
            mask == other.mask && watch == other.watch && name == other.name && mask & InotifyMask.ignored == 0
        }
    }

    private let limit: Int
    /// Called when something can be read.
    let onReadable: () -> Void
    private(set) var watches: [Int32: VirtualWatch] = [:]
    private var nextWatch: Int32 = 1
    private var events: [Event] = []
    private var head = 0
    private var hasOverflow = false

    init(limit: Int, onReadable: @escaping () -> Void) {
        self.limit = limit
        self.onReadable = onReadable
    }

    var count: Int { events.count - head }

    // MARK: Watches

    /// `man 2 inotify_add_watch`: one watch for each inode.
    func watch(_ inode: VirtualInode, _ mask: UInt32) -> Int32 {
        if let known = inode.watches.first(where: { $0.queue === self }) {
            let kept = mask & InotifyMask.add != 0 ? known.mask : 0
            known.mask = kept | mask
            return known.number
        }
        let watch = VirtualWatch(queue: self, inode: inode, number: nextWatch, mask: mask)
        nextWatch += 1
        watches[watch.number] = watch
        inode.watches.append(watch)
        return watch.number
    }

    /// The watch is gone, and says so. Its inode forgets it.
    func drop(_ watch: VirtualWatch) {
        forget(watch)
        post(Event(watch: watch.number, mask: InotifyMask.ignored, cookie: 0, name: ""))
    }

    private func forget(_ watch: VirtualWatch) {
        watches[watch.number] = nil
        watch.inode.watches.removeAll { $0 === watch }
    }

    /// The instance is closed: nobody is told.
    func close() {
        for watch in watches.values { watch.inode.watches.removeAll { $0 === watch } }
        watches = [:]
        (events, head) = ([], 0)
    }

    // MARK: Events

    func post(_ event: Event) {
        if count >= limit {
            guard !hasOverflow else { return }
            hasOverflow = true
            events.append(Event(watch: -1, mask: InotifyMask.overflow, cookie: 0, name: ""))
        } else if count > 0, let last = events.last, last.isSame(as: event) {
            return
        } else {
            events.append(event)
        }
        onReadable()
    }

    /// As many whole events as fit into `size` bytes, as `struct inotify_event`.
    func read(atMost size: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        while head < events.count {
            let event = events[head]
            guard bytes.count + 16 + event.nameSize <= size else { break }
            encode(event, &bytes)
            if event.mask & InotifyMask.overflow != 0 { hasOverflow = false }
            head += 1
        }
        if head == events.count { (events, head) = ([], 0) }
        return bytes
    }

    private func encode(_ event: Event, _ bytes: inout [UInt8]) {
        let fields = (event.watch, event.mask, event.cookie, UInt32(event.nameSize))
        withUnsafeBytes(of: fields) { bytes.append(contentsOf: $0) }
        guard event.nameSize > 0 else { return }
        let end = bytes.count + event.nameSize
        bytes.append(contentsOf: event.name.utf8)
        bytes.append(contentsOf: repeatElement(0, count: end - bytes.count))
    }
}
