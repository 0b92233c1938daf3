/// Numbers of file systems that outlast remounts and reboots, unlike `st_dev`.
///
/// The number of a file system is the device number that it had when it was first met, unless that is another one's by
/// then. So what was stored before there were names stays valid.
public struct FileSystemNumbers: Hashable, Sendable {
    private var numbers: [String: UInt64]
    private var taken: Set<UInt64>

    /// - Parameter known: numbers by name, as they were assigned before.
    public init(_ known: [String: UInt64] = [:]) {
        numbers = known
        taken = Set(known.values)
    }

    public func number(of name: String) -> UInt64? { numbers[name] }

    /// Returns the number of a file system, and assigns one where it has none yet.
    ///
    /// - Parameters:
    ///   - name: what the file system is called for good (`NamedFileSystem.name`).
    ///   - device: its device number now.
    public mutating func assign(_ name: String, device: UInt64) -> UInt64 {
        if let known = numbers[name] { return known }
        var number = device
        if taken.contains(number) { number = Self.hash(name) | 1 << 63 }
        while taken.contains(number) { number &+= 1 }
        numbers[name] = number
        taken.insert(number)
        return number
    }

    /// Takes back an assignment that could not be saved.
    public mutating func remove(_ name: String) {
        if let number = numbers.removeValue(forKey: name) { taken.remove(number) }
    }

    /// FNV-1a: the same in every run.
    private static func hash(_ name: String) -> UInt64 {
        name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
    }
}
