import SystemPackage

/// Tells file systems apart by what survives a remount and a reboot.
public protocol FileSystemNaming: Sendable {
    /// The file system of the nearest directory above `path` that is there; of the folder itself where `path` is `nil`.
    ///
    /// - Returns: `nil` where not even the folder can be opened.
    func fileSystem(above path: RelativePath?, in folder: FilePath) async -> NamedFileSystem?
}

/// A file system as it is mounted now.
public struct NamedFileSystem: Hashable, Sendable {
    /// `st_dev`.
    public let device: UInt64
    /// What it is called for good: made of its UUID, or of where a network file system comes from. `nil` where nothing
    /// of the kind is known; the device number then has to do.
    public let name: String?

    public init(device: UInt64, name: String?) {
        self.device = device
        self.name = name
    }
}
