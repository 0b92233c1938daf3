import SyncCore
import SyncTestSupport
import SystemPackage
import Testing

@testable import SyncSimulator

@Suite("Reading files of the virtual kernel")
struct KernelReaderTests {
    private let fixture = KernelFixture()
    private var kernel: VirtualKernel { fixture.kernel }
    private let process: VirtualProcess
    private let reader: KernelSourceReader
    private let acts = GateWithActs()

    init() {
        process = fixture.kernel.makeProcess()
        reader = KernelSourceReader(process, gate: acts)
        fixture.kernel.makeDirectory("/d/sub")
        fixture.kernel.writeFile("/d/a", Array(1...10))
    }

    private func look(_ path: String) async throws -> FileLook? {
        try await reader.look(at: try .of(path), in: "/d")
    }

    private func open(_ path: String = "a") async throws -> any OpenSource {
        try await reader.open(try .of(path), in: "/d")
    }

    // MARK: Looks

    @Test func `a look says what stat says, and whether somebody writes`() async throws {
        let look = try #require(try await look("a"))
        #expect(look.observation.size == 10 * 65_536)
        #expect(look.observation.modified == fixture.now)
        #expect(look.writers == .nobody)
        let writer = kernel.openWriter("/d/a", truncates: false).writer
        #expect(try await self.look("a")?.writers == .somebody)
        writer?.close()
        let map = kernel.mapWritable("/d/a").map
        #expect(try await self.look("a")?.writers == .somebody)
        map?.unmap()
        kernel.link("/d/a", as: "/d/b")
        kernel.setStatError(-3, "/d/a")
        #expect(try await self.look("b")?.observation.size == 7 * 65_536)
        #expect(try await self.look("b")?.links == 2)
        kernel.options.grantsLeases = false
        #expect(try await self.look("a")?.writers == .unavailable)
        #expect(process.statistics.looks.values.reduce(0, +) == 6)
    }

    @Test func `what is no file is nothing, what cannot be opened a failure`() async throws {
        kernel.makeLink(at: "/d/link", to: "a")
        for path in ["missing", "sub", "link", "a/b", "link/b"] { #expect(try await look(path) == nil, "\(path)") }
        kernel.writeFile("/d/sub/c", [1])
        kernel.setReadable(false, "/d/a")
        kernel.setReadable(false, "/d/sub")
        for path in ["a", "sub/c"] {
            let failure = await failure { _ = try await look(path) }
            #expect(failure?.kind == .unreadable && failure?.scope == .delivery)
        }
        kernel.rename("/d", to: "/e")
        let failure = await failure { _ = try await look("a") }
        #expect(failure?.kind == .sourceGone && failure?.scope == .destination)
        #expect(await reader.problem(with: "/d")?.kind == .sourceGone)
        #expect(await reader.problem(with: "/e") == nil)
    }

    @Test func `folders have an identity, and the device above a path is that of what is there`() async throws {
        #expect(await reader.root(of: "/d")?.isEmpty == false)
        #expect(await reader.root(of: "/d/sub")?.isEmpty == true)
        #expect(await reader.root(of: "/missing") == nil)
        kernel.mount(kernel.makeDevice(number: 8), at: "/d/sub")
        #expect(await reader.device(above: try .of("sub/x/y"), in: "/d") == 8)
        #expect(await reader.device(above: try .of("other/y"), in: "/d") == 1)
        #expect(await reader.device(above: try .of("y"), in: "/missing") == nil)
    }

    // MARK: Open files

    @Test func `slices are the cells, and prefixes can be proven`() async throws {
        let source = try await open()
        let slices = try await slices(source.read(to: 9 * 65_536))
        #expect(slices.map(\.count) == [2, 2, 2, 2, 1])
        #expect(slices.flatMap { $0 } == Array(1...9))
        #expect(await source.hashedOffset == 9 * 65_536)
        for count in 0...10 {
            let digest = await source.prefixDigest(at: Int64(count) * 65_536)
            let isKept = [0, 4, 8, 9].contains(count)
            #expect((digest != nil) == isKept, "\(count)")
            guard let digest else { continue }
            #expect(digest.sha256 == .sha256(of: Array([UInt8](1...10).prefix(count))))
        }
        let content = await source.content()
        #expect(content.md5 == .md5(of: Array(1...9)))
        #expect(content.size == 9 * 65_536)
        let rewound = try await source.rewind(to: 3 * 65_536)
        #expect(rewound.sha256 == .sha256(of: [UInt8](1...3)))
        #expect(try await self.slices(source.read(to: 5 * 65_536)).flatMap { $0 } == [4, 5])
        #expect(process.statistics.cellsRead == 9 + 3 + 2)
        await source.close()
    }

    @Test func `one slice is read ahead of a writer`() async throws {
        let source = try await open()
        let read = await source.read(to: 10 * 65_536)
        acts.act(on: .slice, number: 1) { $0.rewriteInPlace("/d/a", [UInt8](repeating: 99, count: 10)) }
        acts.kernel = kernel
        // The first two slices were read before the second was asked for.
        #expect(try await slices(read).flatMap { $0 } == [1, 2, 3, 4, 99, 99, 99, 99, 99, 99])
        #expect(await source.content().md5 == .md5(of: [1, 2, 3, 4, 99, 99, 99, 99, 99, 99]))
        await source.close()
    }

    @Test func `a file that gets shorter fails when the missing slice is asked for`() async throws {
        let source = try await open()
        acts.kernel = kernel
        acts.act(on: .slice, number: 1) { $0.rewriteInPlace("/d/a", [1, 2, 3]) }
        let read = await source.read(to: 10 * 65_536)
        let failure = await failure { _ = try await slices(read) }
        #expect(failure?.kind == .sourceChanged)
        #expect(await source.hashedOffset == 4 * 65_536)
        let rewinding = await self.failure { _ = try await source.rewind(to: 6 * 65_536) }
        #expect(rewinding?.kind == .sourceChanged)
        await source.close()
    }

    @Test func `a read ends with the next one`() async throws {
        let source = try await open()
        var first = await source.read(to: 10 * 65_536).makeAsyncIterator()
        #expect(try await first.next() == [1, 2])
        _ = await source.read(to: 10 * 65_536)
        let failure = await failure { _ = try await first.next() }
        #expect(failure?.kind == .transient)
        await source.close()
    }

    @Test func `an open file is observed by its path`() async throws {
        let source = try await open()
        #expect(try await source.observe().size == 10 * 65_536)
        kernel.replaceByRename("/d/a", [5])
        var failure = await failure { _ = try await source.observe() }
        #expect(failure?.kind == .sourceGone && failure?.scope == .delivery)
        kernel.unlink("/d/a")
        failure = await self.failure { _ = try await source.observe() }
        #expect(failure?.kind == .sourceGone)
        #expect(try await slices(source.read(to: 65_536)) == [[1]])
        await source.close()
        failure = await self.failure { _ = try await source.observe() }
        #expect(failure?.kind == .unreadable)
    }

    // MARK: Scans

    @Test func `time passes between the batches of a scan`() async throws {
        kernel.writeFile("/d/sub/c", [1])
        kernel.writeFile("/d/z", [1])
        acts.kernel = kernel
        acts.act(on: .scan, number: 1) { $0.writeFile("/d/zz", [1]) }
        acts.act(on: .scan, number: 2) { $0.unlink("/d/z") }
        let scanner = KernelScanner(process, gate: acts, batchSize: 1)
        let seen = Seen()
        let report = try await scanner.scan("/d", recursive: true, batchSize: 100, skipsDirectory: { _ in false }) {
            seen.paths += $0.map(\.path.description)
        }
        // z was listed and is gone before its status is asked for; zz comes after all names that were listed.
        #expect(seen.paths == ["a", "sub/c", "zz"])
        #expect(report.files == 3)
    }

    private final class Seen: @unchecked Sendable {
        // Unchecked: one scan at a time.
        var paths: [String] = []
    }

    private func slices(_ slices: SourceSlices) async throws -> [[UInt8]] {
        var all: [[UInt8]] = []
        for try await slice in slices { all.append(slice) }
        return all
    }

    private func failure(_ body: () async throws -> Void) async -> Failure? {
        do {
            try await body()
            return nil
        } catch {
            return error as? Failure
        }
    }
}

/// Lets other programs act when an agent asks for something.
final class GateWithActs: KernelGate, @unchecked Sendable {
    // Unchecked: each test uses one on one thread.

    var kernel: VirtualKernel?
    private var counts: [KernelCall: Int] = [:]
    private var acts: [KernelCall: [Int: (VirtualKernel) -> Int32]] = [:]

    /// - Parameter number: how many such calls come first.
    func act(on call: KernelCall, number: Int, _ body: @escaping (VirtualKernel) -> Int32) {
        acts[call, default: [:]][number] = body
    }

    func pass(_ call: KernelCall, _ path: RelativePath?) async throws(Failure) {
        let number = counts[call] ?? 0
        counts[call] = number + 1
        guard let kernel, let act = acts[call]?[number] else { return }
        #expect(act(kernel) == 0)
    }
}
