import Crypto
import Glibc
import SystemPackage

/// Which machine this is, as the state directory remembers it.
///
/// Not the id itself: `man 5 machine-id` asks that it be kept to the machine, and names a keyed hash of it as the
/// way to derive an id for an application.
public struct MachineIdentity: Hashable, Sendable {
    /// Lower-case hex.
    public let text: String

    /// - Parameter machineFile: usually `/etc/machine-id`.
    /// - Returns: `nil` where the machine has none: some containers and rescue systems.
    public static func read(_ machineFile: FilePath = "/etc/machine-id") -> MachineIdentity? {
        guard let bytes = try? SmallFile.read(machineFile) else { return nil }
        let id = bytes.filter { !$0.isWhitespace }
        // While a system boots for the first time the file may say "uninitialized".
        guard id.count >= 32 else { return nil }
        let key = SymmetricKey(data: id)
        let code = HMAC<SHA256>.authenticationCode(for: Array("redivis-sync state directory".utf8), using: key)
        return MachineIdentity(text: code.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined())
    }
}

extension UInt8 {
    fileprivate var isWhitespace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}

/// Files that are read whole.
enum SmallFile {
    /// At most `limit` bytes; what follows is left.
    static func read(_ path: FilePath, limit: Int = 4096) throws -> [UInt8] {
        let descriptor = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
        return try descriptor.closeAfter {
            var bytes: [UInt8] = []
            while bytes.count < limit {
                let slice = try [UInt8](unsafeUninitializedCapacity: min(limit - bytes.count, 65536)) { buffer, count in
                    count = try descriptor.read(into: UnsafeMutableRawBufferPointer(buffer))
                }
                guard !slice.isEmpty else { break }
                bytes += slice
            }
            return bytes
        }
    }
}
