/// A file, directory or symbolic link of a virtual file system, whatever names it has.
///
/// Inodes, entries and devices refer to one another; the kernel takes the tree apart when it goes (`takeApart`). Weak
/// references would cost more than everything else here.
final class VirtualInode {
    enum Kind {
        case file
        case directory
        case link(target: String)
    }

    /// Never used twice, unlike `number`.
    let instance: UInt64
    /// `st_ino`.
    let number: UInt64
    let device: VirtualDevice
    let kind: Kind
    /// Nanoseconds since 1970.
    var modified: Int64
    var changed: Int64
    /// Names. A directory has one.
    var links = 0
    /// Descriptors, writers and maps that keep the inode alive.
    var opens = 0
    /// Whether agents may read the file, or list and enter the directory.
    var isReadable = true
    /// Watches of all inotify instances, in the order in which they were made.
    var watches: [VirtualWatch] = []

    // Of a file.
    var cells: [UInt8] = []
    var writers = 0
    var maps = 0
    /// What `stat` adds to the real number of cells.
    var sizeError = 0

    // Of a directory.
    /// Sorted by name.
    private(set) var entries: [VirtualEntry] = []
    /// The directory's own name; `nil` for the root of a device.
    var entry: VirtualEntry?
    /// What is mounted over the directory.
    var covering: VirtualDevice?

    init(instance: UInt64, number: UInt64, device: VirtualDevice, kind: Kind, now: Int64) {
        self.instance = instance
        self.number = number
        self.device = device
        self.kind = kind
        (modified, changed) = (now, now)
    }

    var isDirectory: Bool { if case .directory = kind { true } else { false } }
    var isFile: Bool { if case .file = kind { true } else { false } }
    /// Who may change the content without opening the file first.
    var writersAndMaps: Int { writers + maps }

    // MARK: Entries

    private func place(of name: String) -> Int {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].name < name { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func entry(named name: String) -> VirtualEntry? {
        let index = place(of: name)
        return index < entries.count && entries[index].name == name ? entries[index] : nil
    }

    /// There must be no entry of that name.
    func insert(_ entry: VirtualEntry) {
        entries.insert(entry, at: place(of: entry.name))
        entry.directory = self
        entry.isLinked = true
        if entry.inode.isDirectory { entry.inode.entry = entry }
    }

    func remove(_ entry: VirtualEntry) {
        let index = place(of: entry.name)
        if index < entries.count, entries[index] === entry { entries.remove(at: index) }
        entry.isLinked = false
        if entry.inode.isDirectory { entry.inode.entry = nil }
    }

    /// Lets go everything below.
    func takeApart() {
        for entry in entries {
            entry.inode.takeApart()
            entry.directory = nil
        }
        (entries, entry, covering) = ([], nil, nil)
    }

    /// The entries whose names come after `name`, for listings that go on while names come and go.
    func entries(after name: String?) -> ArraySlice<VirtualEntry> {
        guard let name else { return entries[...] }
        let index = place(of: name)
        return entries[(index < entries.count && entries[index].name == name ? index + 1 : index)...]
    }
}

/// A name of an inode. An open file keeps its entry, which moves with every rename.
final class VirtualEntry {
    var name: String
    /// Where it is, or was until it was removed.
    var directory: VirtualInode?
    let inode: VirtualInode
    var isLinked = false

    init(_ name: String, _ inode: VirtualInode) {
        self.name = name
        self.inode = inode
    }
}

/// A file system: its inodes, and where it is mounted.
package final class VirtualDevice {
    /// `st_dev`. Another one after some remounts.
    package internal(set) var number: UInt64
    /// What is made of its UUID: the same for good.
    var name: String? { root.map { "uuid:\($0.instance)" } }
    /// `f_type` of `man 2 statfs`.
    package let fileSystem: UInt64
    /// Nanoseconds of which all stamps are multiples.
    package let granularity: Int64
    private let reusesInodesAtOnce: Bool
    /// The directory that it covers; `nil` if it is not mounted. Also `nil` for the root file system.
    var point: VirtualInode?
    var mountID = 0
    /// Descriptors, writers and maps of all its inodes.
    var opens = 0
    /// Unmounted lazily, and some files are still open.
    var isDetached = false
    /// Set once, by whoever makes the device.
    var root: VirtualInode?
    private var nextNumber: UInt64 = 11
    /// In descending order.
    private var free: [UInt64] = []

    init(number: UInt64, fileSystem: UInt64, granularity: Int64, reusesInodesAtOnce: Bool) {
        self.number = number
        self.fileSystem = fileSystem
        self.granularity = max(granularity, 1)
        self.reusesInodesAtOnce = reusesInodesAtOnce
    }

    func stamp(_ now: Int64) -> Int64 { now - now % granularity }

    func takeNumber() -> UInt64 {
        if reusesInodesAtOnce, let lowest = free.popLast() { return lowest }
        defer { nextNumber += 1 }
        return nextNumber
    }

    func giveBack(_ number: UInt64) {
        guard reusesInodesAtOnce else { return }
        free.insert(number, at: free.firstIndex { $0 < number } ?? free.count)
    }
}
