import Glibc
import SyncCore
import SystemPackage
import Testing

@testable import LocalFiles

@Suite(.timeLimit(.minutes(1))) struct ReviewInterruptTests {
    /// Whoever ends the program does not wait until a large file is read to its end.
    @Test func aCancelledReadingEnds() async throws {
        let folder = try TemporaryFolder()
        try folder.write("big.bin", [1])
        // Sparse: 200 GiB that nobody has to write, and that take minutes to hash.
        try check("truncate", truncate(folder.name("big.bin"), 200 << 30))
        let reader = LocalSourceReader()
        let source = try await reader.open(try #require(RelativePath(bytes: Array("big.bin".utf8))), in: folder.path)
        let reading = Task {
            do throws(Failure) {
                _ = try await source.rewind(to: 200 << 30)
                return nil as Failure?
            } catch {
                return error
            }
        }
        try await Task.sleep(for: .milliseconds(50))
        reading.cancel()
        #expect(await reading.value?.kind == .transient)
        // And what was read is still right: the file can be read on.
        #expect(try await source.rewind(to: 1).offset == 1)
        await source.close()
    }
}
