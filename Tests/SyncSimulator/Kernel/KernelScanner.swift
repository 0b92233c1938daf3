import FolderWatch
import SyncCore
import SystemPackage

/// The agent's own scanner over a `VirtualKernel`, with time between its batches.
package struct KernelScanner: FolderScanner {
    private let scanner: FolderTreeScanner
    private let gate: any KernelGate
    private let batchSize: Int

    /// - Parameter batchSize: how many files are looked at in one go, where the agent asks for more.
    package init(_ process: VirtualProcess, gate: any KernelGate, batchSize: Int = .max) {
        scanner = FolderTreeScanner(directories: process)
        self.gate = gate
        self.batchSize = batchSize
    }

    package func scan(
        _ folder: FilePath, recursive: Bool, batchSize: Int,
        skipsDirectory: @escaping @Sendable (RelativePath) -> Bool,
        handle: @Sendable ([SeenFile]) async throws -> Void
    ) async throws -> ScanReport {
        try await gate.pass(.scan, nil)
        return try await scanner.scan(
            folder, recursive: recursive, batchSize: min(batchSize, self.batchSize), skipsDirectory: skipsDirectory
        ) { files in
            try await gate.answer(.scan, nil)
            try await handle(files)
            try await gate.pass(.scan, nil)
        }
    }
}
