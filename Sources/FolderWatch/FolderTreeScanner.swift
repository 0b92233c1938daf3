import SyncCore
import SystemPackage

/// Walks a folder on disk by descriptors. See `FolderScanner`.
public struct FolderTreeScanner: FolderScanner {
    private let directories: any DirectorySystem

    public init() {
        self.init(directories: LinuxDirectorySystem())
    }

    package init(directories: any DirectorySystem) {
        self.directories = directories
    }

    public func scan(
        _ folder: FilePath, recursive: Bool, batchSize: Int,
        skipsDirectory: @escaping @Sendable (RelativePath) -> Bool,
        handle: @Sendable ([SeenFile]) async throws -> Void
    ) async throws -> ScanReport {
        let walk = TreeWalk(
            folder: folder, recursive: recursive, skipsDirectory: skipsDirectory, directories: directories)
        while true {
            try Task.checkCancellation()
            let batch = try await directories.offloadUnlessCancelled { walk.nextBatch(atMost: max(batchSize, 1)) }
            if let failure = batch.failure { throw failure }
            if !batch.files.isEmpty { try await handle(batch.files) }
            if batch.isLast { return batch.report }
        }
    }
}
