import CLinux
import Glibc
import SyncCore
import Synchronization
import SystemPackage

/// Devices that are known to be disks (or memory) of this machine.
///
/// Waking a thread for each small step with a file costs more than the steps themselves. On these devices a step
/// whose answer is in the kernel's caches is done on the caller's thread; what fails there for whatever reason is
/// done again on a worker thread, whose word counts.
final class LocalDevices: Sendable {
    private let known = Mutex<Set<UInt64>>([])
    private let isUsed: Bool

    /// - Parameter isUsed: where false nothing is ever learned, so that every step goes to a worker thread.
    init(isUsed: Bool) {
        self.isUsed = isUsed
    }

    /// A folder as a place to open cached things from; `nil` where that could make the caller wait.
    func cachedFolder(_ folder: FilePath) -> OpenFile? {
        let descriptor = folder.withPlatformString { clinux_open_folder_cached($0) }
        guard descriptor >= 0 else { return nil }
        let root = OpenFile(descriptor, isCachedOnly: true)
        var device: UInt64 = 0
        guard clinux_device_cached(descriptor, &device) == 0, contains(device) else { return nil }
        return root
    }

    func contains(_ device: UInt64) -> Bool {
        known.withLock { $0.contains(device) }
    }

    /// Learns where an open folder lies; may wait, so only on a worker thread.
    func learn(from folder: OpenFile) {
        guard isUsed, case .success(let status) = folder.status(), !contains(UInt64(status.st_dev)) else { return }
        guard clinux_is_local(folder.descriptor) != 0 else { return }
        _ = known.withLock { $0.insert(UInt64(status.st_dev)) }
    }
}
