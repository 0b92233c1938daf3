/// Which directory a watch descriptor stands for: the tree of watched directories of every folder, by name and by
/// descriptor.
///
/// A watch belongs to an inode, not to a path, so one descriptor may stand for several directories: of two folders
/// that lie in one another, or of one folder that is mounted within itself. A directory costs about 200 bytes here
/// (and about a kilobyte in the kernel).
///
/// A node never changes its path: a directory that moved is removed, with everything below it, and inserted anew by
/// whoever finds it. So a node says no more than that its directory was found at this path while its watch was set.
struct WatchTable {
    typealias Node = Int32
    typealias Watch = Int32
    typealias Folder = Int32

    static let none: Node = -1

    private struct Directory {
        var folder: Folder
        var watch: Watch
        var parent: Node
        var firstChild = WatchTable.none
        var next = WatchTable.none
        var previous = WatchTable.none
        var name: [UInt8]
    }

    private struct ChildKey: Hashable {
        let parent: Node
        let name: [UInt8]
    }

    private enum Owners {
        case one(Node)
        case many([Node])
    }

    private var directories: [Directory] = []
    private var free: [Node] = []
    private var children: [ChildKey: Node] = [:]
    private var owners: [Watch: Owners] = [:]
    private var roots: [Folder: Node] = [:]
    private var counts: [Folder: Int] = [:]

    /// Watch descriptors in use.
    var watchCount: Int { owners.count }

    func count(of folder: Folder) -> Int { counts[folder] ?? 0 }

    // MARK: Asking

    func owners(of watch: Watch) -> [Node] {
        switch owners[watch] {
        case .one(let node): [node]
        case .many(let nodes): nodes
        case nil: []
        }
    }

    func isOwned(_ watch: Watch) -> Bool { owners[watch] != nil }

    func folder(of node: Node) -> Folder { directories[Int(node)].folder }
    func watch(of node: Node) -> Watch { directories[Int(node)].watch }
    func isRoot(_ node: Node) -> Bool { directories[Int(node)].parent == Self.none }
    func root(of folder: Folder) -> Node? { roots[folder] }
    func child(of node: Node, _ name: [UInt8]) -> Node? { children[ChildKey(parent: node, name: name)] }

    /// The directory at a path below the folder; the folder itself for the empty path.
    func node(at path: some Collection<UInt8>, in folder: Folder) -> Node? {
        guard var node = roots[folder] else { return nil }
        for name in path.split(separator: UInt8(ascii: "/")) {
            guard let child = child(of: node, Array(name)) else { return nil }
            node = child
        }
        return node
    }

    /// Below the folder; empty for the folder itself.
    func path(of node: Node) -> [UInt8] {
        var names: [[UInt8]] = []
        var current = node
        while directories[Int(current)].parent != Self.none {
            names.append(directories[Int(current)].name)
            current = directories[Int(current)].parent
        }
        return Array(names.reversed().joined(separator: [UInt8(ascii: "/")]))
    }

    func childNames(of node: Node) -> [[UInt8]] {
        var names: [[UInt8]] = []
        var current = directories[Int(node)].firstChild
        while current != Self.none {
            names.append(directories[Int(current)].name)
            current = directories[Int(current)].next
        }
        return names
    }

    // MARK: Changing

    mutating func insertRoot(of folder: Folder, watch: Watch) -> Node {
        let node = make(Directory(folder: folder, watch: watch, parent: Self.none, name: []))
        roots[folder] = node
        return node
    }

    /// There must be no child of that name.
    mutating func insert(_ name: [UInt8], under parent: Node, watch: Watch) -> Node {
        let node = make(
            Directory(folder: directories[Int(parent)].folder, watch: watch, parent: parent, name: name))
        attach(node)
        return node
    }

    private mutating func make(_ directory: Directory) -> Node {
        let node: Node
        if let reused = free.popLast() {
            node = reused
            directories[Int(node)] = directory
        } else {
            node = Node(directories.count)
            directories.append(directory)
        }
        addOwner(node, of: directory.watch)
        counts[directory.folder, default: 0] += 1
        return node
    }

    /// Whether `node` is `ancestor` or lies below it.
    func lies(_ node: Node, within ancestor: Node) -> Bool {
        var current = node
        while current != Self.none {
            if current == ancestor { return true }
            current = directories[Int(current)].parent
        }
        return false
    }

    /// With everything below. Returns the watches that stand for nothing any more.
    mutating func remove(_ node: Node) -> [Watch] {
        let folder = directories[Int(node)].folder
        if isRoot(node) { roots[folder] = nil } else { detach(node) }
        var unused: [Watch] = []
        var rest = [node]
        while let current = rest.popLast() {
            let directory = directories[Int(current)]
            var child = directory.firstChild
            while child != Self.none {
                rest.append(child)
                children[ChildKey(parent: current, name: directories[Int(child)].name)] = nil
                child = directories[Int(child)].next
            }
            if removeOwner(current, of: directory.watch) { unused.append(directory.watch) }
            counts[folder, default: 1] -= 1
            // A watch of -1 belongs to nobody: a node that is looked up by mistake is found to be dead.
            directories[Int(current)] = Directory(folder: -1, watch: -1, parent: Self.none, name: [])
            free.append(current)
        }
        if counts[folder] == 0 { counts[folder] = nil }
        return unused
    }

    /// Whether a node that was looked up by its watch is still there. One at another path may have taken its place.
    func isAlive(_ node: Node, watch: Watch) -> Bool {
        directories.indices.contains(Int(node)) && directories[Int(node)].watch == watch
    }

    // MARK: Links

    private mutating func attach(_ node: Node) {
        let (parent, name) = (directories[Int(node)].parent, directories[Int(node)].name)
        let first = directories[Int(parent)].firstChild
        directories[Int(node)].next = first
        directories[Int(node)].previous = Self.none
        if first != Self.none { directories[Int(first)].previous = node }
        directories[Int(parent)].firstChild = node
        children[ChildKey(parent: parent, name: name)] = node
    }

    private mutating func detach(_ node: Node) {
        let directory = directories[Int(node)]
        children[ChildKey(parent: directory.parent, name: directory.name)] = nil
        if directory.previous != Self.none {
            directories[Int(directory.previous)].next = directory.next
        } else {
            directories[Int(directory.parent)].firstChild = directory.next
        }
        if directory.next != Self.none { directories[Int(directory.next)].previous = directory.previous }
    }

    private mutating func addOwner(_ node: Node, of watch: Watch) {
        switch owners[watch] {
        case nil: owners[watch] = .one(node)
        case .one(let other): owners[watch] = .many([other, node])
        case .many(let others): owners[watch] = .many(others + [node])
        }
    }

    /// Whether it was the last.
    private mutating func removeOwner(_ node: Node, of watch: Watch) -> Bool {
        switch owners[watch] {
        case nil:
            return false
        case .one(let owner):
            guard owner == node else { return false }
            owners[watch] = nil
            return true
        case .many(let nodes):
            let rest = nodes.filter { $0 != node }
            owners[watch] = rest.count == 1 ? .one(rest[0]) : .many(rest)
            return false
        }
    }
}
