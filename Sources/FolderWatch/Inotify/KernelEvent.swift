import Glibc

/// One `struct inotify_event` (`man 7 inotify`).
struct KernelEvent: Hashable {
    var watch: Int32
    var mask: UInt32
    /// Joins the two halves of a rename; 0 for everything else.
    var cookie: UInt32
    /// Empty where the event is about the watched directory itself.
    var name: [UInt8]

    init(watch: Int32, mask: UInt32, cookie: UInt32 = 0, name: [UInt8] = []) {
        self.watch = watch
        self.mask = mask
        self.cookie = cookie
        self.name = name
    }

    func has(_ flag: Int) -> Bool { mask & UInt32(truncatingIfNeeded: flag) != 0 }
    func has(_ flag: Int32) -> Bool { has(Int(flag)) }

    /// What a directory below a folder is watched for. A file is told when it is closed; one that is linked is never
    /// closed (IN_CREATE). What happens to names that are removed already is left out (IN_EXCL_UNLINK). IN_MASK_ADD,
    /// since the same directory may be a folder of its own for another mapping.
    static let directoryMask =
        bits(IN_CLOSE_WRITE, IN_MOVED_TO, IN_MOVED_FROM, IN_CREATE, IN_DELETE) | bits(IN_EXCL_UNLINK, IN_MASK_ADD)
    /// The folder itself: nobody is told of its end by a directory above it.
    static let folderMask = directoryMask | bits(IN_DELETE_SELF, IN_MOVE_SELF)

    private static func bits(_ flags: Int32...) -> UInt32 {
        flags.reduce(0) { $0 | UInt32(bitPattern: $1) }
    }

    /// The size of the fixed part, in bytes.
    static let headerSize = 16

    /// Decodes what one read filled. Stops at what does not fit, which the kernel never leaves.
    static func forEach(in bytes: UnsafeRawBufferPointer, _ body: (KernelEvent) -> Void) {
        var offset = 0
        while offset + headerSize <= bytes.count {
            let length = Int(bytes.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
            let start = offset + headerSize
            guard length <= bytes.count - start else { return }
            body(
                KernelEvent(
                    watch: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self),
                    mask: bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self),
                    cookie: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt32.self),
                    name: Array(bytes[start..<(start + length)].prefix { $0 != 0 })))
            offset = start + length
        }
    }
}
