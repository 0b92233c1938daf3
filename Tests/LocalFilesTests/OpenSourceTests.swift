import Crypto
import Glibc
import SyncCore
import SystemPackage
import Testing

@testable import LocalFiles

@Suite("An open source")
struct OpenSourceTests {
    let folder: TemporaryFolder
    let reader = LocalSourceReader(threadLimit: 4)

    init() throws {
        folder = try TemporaryFolder()
    }

    private func open(_ bytes: [UInt8]) async throws -> any OpenSource {
        try folder.write("a.bin", bytes)
        return try await reader.open(.of("a.bin"), in: folder.path)
    }

    private func readAll(_ source: any OpenSource, to end: Int64) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await slice in await source.read(to: end) { bytes += slice }
        return bytes
    }

    private func prefix(_ bytes: [UInt8], _ offset: Int) -> PrefixDigest {
        PrefixDigest(
            offset: Int64(offset), sha256: SyncCore.Digest(bytes: Array(SHA256.hash(data: bytes.prefix(offset)))))
    }

    private func content(_ bytes: ArraySlice<UInt8>) -> Content {
        Content(
            size: Int64(bytes.count), sha256: SyncCore.Digest(bytes: Array(SHA256.hash(data: bytes))),
            md5: SyncCore.Digest(bytes: Array(Insecure.MD5.hash(data: bytes))))
    }

    // MARK: Digests

    @Test(arguments: [
        (
            "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "d41d8cd98f00b204e9800998ecf8427e"
        ),
        (
            "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "900150983cd24fb0d6963f7d28e17f72"
        ),
    ])
    func knownVectors(text: String, sha256: String, md5: String) async throws {
        let source = try await open(Array(text.utf8))
        let size = Int64(text.utf8.count)
        #expect(try await readAll(source, to: size) == Array(text.utf8))
        let content = await source.content()
        #expect(content.size == size)
        #expect(content.sha256.hex == sha256)
        #expect(content.md5.hex == md5)
        #expect(await source.hashedOffset == size)
        await source.close()
    }

    @Test(arguments: [
        1, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (9 << 20) + 12_345,
    ])
    func slicesAndDigestsAreThoseOfTheFile(size: Int) async throws {
        let bytes = randomBytes(size, seed: UInt64(size))
        let source = try await open(bytes)
        #expect(try await readAll(source, to: Int64(size)) == bytes)
        #expect(await source.content() == content(bytes[...]))
        // And in one go without a consumer.
        let other = try await reader.open(.of("a.bin"), in: folder.path)
        #expect(try await other.rewind(to: Int64(size)) == prefix(bytes, size))
        #expect(await other.content() == content(bytes[...]))
        await source.close()
        await other.close()
    }

    @Test func slicesEndAtMultiplesOfAMebibyte() async throws {
        let source = try await open(randomBytes(3 << 20, seed: 1))
        _ = try await source.rewind(to: 100)
        var lengths: [Int] = []
        for try await slice in await source.read(to: 3 << 20) { lengths.append(slice.count) }
        #expect(lengths == [(1 << 20) - 100, 1 << 20, 1 << 20])
        await source.close()
    }

    @Test func prefixesAreKeptAtBoundariesAndAtBothEndsOfARead() async throws {
        let step = 256 << 10
        let bytes = randomBytes(2_000_000, seed: 2)
        for start in [0, 1, 100_001, step, step + 1] {
            let source = try await open(bytes)
            _ = try await source.rewind(to: Int64(start))
            #expect(await source.prefixDigest(at: Int64(start)) == nil, "no read yet")
            let end = 1_500_001
            #expect(try await readAll(source, to: Int64(end)) == Array(bytes[start..<end]))
            for offset in stride(from: 0, through: 2_000_000, by: step) where offset != start {
                let digest = await source.prefixDigest(at: Int64(offset))
                #expect(digest == (offset > start && offset <= end ? prefix(bytes, offset) : nil))
            }
            #expect(await source.prefixDigest(at: Int64(start)) == prefix(bytes, start))
            #expect(await source.prefixDigest(at: Int64(end)) == prefix(bytes, end))
            #expect(await source.prefixDigest(at: 700_000) == nil)
            #expect(await source.prefixDigest(at: -1) == nil)
            await source.close()
        }
    }

    @Test func theTrailForgetsTheOldestOfAVeryLongRead() {
        var trail = DigestTrail()
        func digest(_ number: Int) -> [UInt8] {
            (0..<32).map { UInt8(truncatingIfNeeded: number >> ($0 % 4 * 8)) }
        }
        let last = DigestTrail.capacity + 1000
        for number in 3...last { trail.note(digest(number), boundary: Int64(number) * DigestTrail.step) }
        func known(_ number: Int) -> [UInt8]? { trail[Int64(number) * DigestTrail.step]?.sha256.bytes }
        let oldest = last - DigestTrail.capacity + 1
        #expect(known(oldest - 1) == nil)
        for number in [oldest, oldest + 1, 40_000, last - 1, last] { #expect(known(number) == digest(number)) }
        #expect(known(last + 1) == nil)
        #expect(trail[DigestTrail.step * Int64(last) + 1] == nil)
    }

    // MARK: Going back and forth

    @Test func randomReadsAndRewindsAgreeWithTheModel() async throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("random reads and rewinds: seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let bytes = randomBytes(5_000_000, seed: seed)
        let source = try await open(bytes)
        var position = 0
        for step in 0..<300 {
            switch Int.random(in: 0..<4, using: &generator) {
            case 0:
                position = Int.random(in: 0...bytes.count, using: &generator)
                #expect(try await source.rewind(to: Int64(position)) == prefix(bytes, position), "step \(step)")
            case 1:
                let end = Int.random(in: position...bytes.count, using: &generator)
                #expect(try await readAll(source, to: Int64(end)) == Array(bytes[position..<end]), "step \(step)")
                position = end
                #expect(await source.prefixDigest(at: Int64(end)) == prefix(bytes, end))
            case 2:
                position = try await abandon(source, bytes, from: position, &generator)
            default:
                #expect(await source.content() == content(bytes.prefix(position)), "step \(step)")
            }
            #expect(await source.hashedOffset == Int64(position), "step \(step)")
        }
        await source.close()
    }

    /// Takes some slices of a read and leaves the rest; returns where the hash stands then.
    private func abandon(
        _ source: any OpenSource, _ bytes: [UInt8], from start: Int, _ generator: inout SeededGenerator
    ) async throws -> Int {
        let end = Int.random(in: start...bytes.count, using: &generator)
        var iterator = await source.read(to: Int64(end)).makeAsyncIterator()
        var taken = start
        for _ in 0..<Int.random(in: 0..<3, using: &generator) {
            guard let slice = try await iterator.next() else { break }
            #expect(slice[...] == bytes[taken..<(taken + slice.count)])
            taken += slice.count
        }
        let position = Int(await source.hashedOffset)
        #expect(position >= taken && position <= end)
        return position
    }

    @Test func aReadGoesOnAfterAQuestionInItsMidst() async throws {
        let bytes = randomBytes(6 << 20, seed: 3)
        let source = try await open(bytes)
        var taken: [UInt8] = []
        for try await slice in await source.read(to: Int64(bytes.count)) {
            taken += slice
            #expect(await source.hashedOffset >= Int64(taken.count))
        }
        #expect(taken == bytes)
        #expect(await source.content() == content(bytes[...]))
        await source.close()
    }

    @Test func anOlderReadGivesNothingOnceANewerOneHasBegun() async throws {
        let source = try await open(randomBytes(4 << 20, seed: 4))
        var old = await source.read(to: 4 << 20).makeAsyncIterator()
        _ = try await old.next()
        _ = try await source.rewind(to: 10)
        await #expect(throws: Failure.self) { _ = try await old.next() }
        await source.close()
    }

    @Test func anEndAtOrBelowTheHashIsAnEmptyRead() async throws {
        let source = try await open([1, 2, 3])
        _ = try await source.rewind(to: 2)
        for end in [-5, 0, 2] as [Int64] { #expect(try await readAll(source, to: end).isEmpty) }
        #expect(await source.hashedOffset == 2)
        await source.close()
    }

    // MARK: Change under our feet

    @Test func contentChangedUnderARewindGivesAnotherDigest() async throws {
        let bytes = randomBytes(2 << 20, seed: 5)
        let source = try await open(bytes)
        _ = try await readAll(source, to: 2 << 20)
        try folder.patch("a.bin", at: 1000, [bytes[1000] ^ 1])
        var changed = bytes
        changed[1000] ^= 1
        let digest = try await source.rewind(to: 1 << 20)
        #expect(digest != prefix(bytes, 1 << 20))
        #expect(digest == prefix(changed, 1 << 20))
        await source.close()
    }

    @Test func aFileThatBecomesShorterHasChanged() async throws {
        let bytes = randomBytes(16 << 20, seed: 6)
        let source = try await open(bytes)
        var iterator = await source.read(to: 16 << 20).makeAsyncIterator()
        var taken = try #require(try await iterator.next())
        try check("truncate", truncate(folder.name("a.bin"), 10 << 20))
        do {
            while let slice = try await iterator.next() { taken += slice }
            Issue.record("the end was not noticed")
        } catch let failure as Failure {
            #expect(failure.kind == .sourceChanged)
            #expect(failure.summary.contains("\(10 << 20)"))
        }
        #expect(taken == Array(bytes.prefix(taken.count)))
        await #expect { _ = try await source.rewind(to: 16 << 20) } throws: {
            ($0 as? Failure)?.kind == .sourceChanged
        }
        #expect(try await source.rewind(to: 10 << 20) == prefix(bytes, 10 << 20))
        await source.close()
    }

    @Test func observationsFollowTheFile() async throws {
        let source = try await open([1, 2, 3])
        let before = try await source.observe()
        #expect(try await source.observe() == before)
        try folder.write("a.bin", [4], flags: O_APPEND)
        let after = try await source.observe()
        #expect(after != before)
        #expect(after.isSameFile(as: before))
        #expect(after.size == 4)
        try check("chmod", chmod(folder.name("a.bin"), 0o600))
        #expect(try await source.observe().changed != after.changed)
        await source.close()
    }

    enum Disappearance: CaseIterable, Sendable { case deleted, replaced, movedAway, linkPutInPlace, parentMoved }

    @Test(arguments: Disappearance.allCases, [true, false])
    func aPathThatNamesAnotherFileIsGone(how: Disappearance, answersFromCache: Bool) async throws {
        let reader = LocalSourceReader(threadLimit: 4, answersFromCache: answersFromCache)
        try folder.makeFolder("sub")
        try folder.write("sub/a.bin", [1, 2, 3])
        let source = try await reader.open(.of("sub/a.bin"), in: folder.path)
        _ = try await source.observe()
        let (name, other) = (folder.name("sub/a.bin"), folder.name("sub/b.bin"))
        switch how {
        case .deleted:
            try check("unlink", unlink(name))
        case .replaced:
            try folder.write("sub/b.bin", [1, 2, 3])
            try check("rename", rename(other, name))
        case .movedAway:
            try check("rename", rename(name, other))
        case .linkPutInPlace:
            try check("rename", rename(name, other))
            try folder.link("b.bin", as: "sub/a.bin")
        case .parentMoved:
            try check("rename", rename(folder.name("sub"), folder.name("elsewhere")))
        }
        await #expect { _ = try await source.observe() } throws: { error in
            guard let failure = error as? Failure else { return false }
            return failure.kind == .sourceGone && failure.scope == .delivery && failure.summary.contains("sub/a.bin")
        }
        // What was opened can still be read, so that what is known of it stays true.
        #expect(try await readAll(source, to: 3) == [1, 2, 3])
        await source.close()
    }

    @Test func aFolderThatGoesAwayConcernsTheWholeMapping() async throws {
        try folder.makeFolder("mapped")
        try folder.write("mapped/a.bin", [1])
        let source = try await reader.open(.of("a.bin"), in: folder.path.appending("mapped"))
        try check("rename", rename(folder.name("mapped"), folder.name("other")))
        await #expect { _ = try await source.observe() } throws: { error in
            (error as? Failure)?.kind == .sourceGone && (error as? Failure)?.scope == .destination
        }
        await source.close()
    }

    @Test func aReadErrorIsUnreadableAndNamesTheFile() async throws {
        // Reading address 0 of one's own memory fails with EIO: the one bad sector that every machine has.
        let source = try await reader.open(.of("mem"), in: "/proc/self")
        await #expect { _ = try await readAll(source, to: 4096) } throws: { error in
            guard let failure = error as? Failure else { return false }
            return failure.kind == .unreadable && failure.summary.contains("/proc/self/mem") && failure.hint != nil
        }
        #expect(await source.hashedOffset == 0)
        await source.close()
    }

    // MARK: Closing, and bounds

    @Test func closingEndsEverythingAndGivesTheDescriptorBack() async throws {
        let source = try await open(randomBytes(8 << 20, seed: 7))
        var iterator = await source.read(to: 8 << 20).makeAsyncIterator()
        _ = try await iterator.next()
        #expect(openDescriptors().contains(folder.name("a.bin")))
        await source.close()
        await #expect(throws: Failure.self) { while try await iterator.next() != nil {} }
        await #expect(throws: Failure.self) { _ = try await source.observe() }
        await #expect(throws: Failure.self) { _ = try await source.rewind(to: 8 << 20) }
        await #expect(throws: Failure.self) { _ = try await readAll(source, to: 8 << 20) }
        await source.close()
        try await expectClosed()
    }

    @Test func aSourceThatIsDroppedClosesItself() async throws {
        do {
            let source = try await open(randomBytes(8 << 20, seed: 8))
            var iterator = await source.read(to: 8 << 20).makeAsyncIterator()
            _ = try await iterator.next()
        }
        try await expectClosed()
    }

    /// A lane on its way holds the file for another moment.
    private func expectClosed() async throws {
        for _ in 0..<200 where openDescriptors().contains(folder.name("a.bin")) {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(!openDescriptors().contains(folder.name("a.bin")))
    }

    @Test func readingAheadIsBoundedByTheConsumerAndByMD5() throws {
        let descriptor = try check("open", Glibc.open("/dev/null", O_RDONLY))
        var state = ReadingState(file: OpenFile(descriptor))
        var errands = state.beginRead(to: 100 << 20)
        #expect(errands.startsReading && !errands.startsMD5)
        var orders = 0
        while let order = state.nextOrder() {
            orders += 1
            var point = order.from
            point.offset = order.range.upperBound
            errands = state.finished(order, with: .success(.init(point: point, slice: [1])))
            #expect(errands.startsMD5 == (orders == 1))
        }
        #expect(orders == ReadingState.mostReady, "nobody takes slices")
        _ = state.rest()
        // Without a consumer (a rewind) it is the MD5 lane that bounds it.
        var rewinding = ReadingState(file: OpenFile(try check("open", Glibc.open("/dev/null", O_RDONLY))))
        _ = rewinding.beginRewind(to: 100 << 20)
        orders = 0
        while let order = rewinding.nextOrder() {
            orders += 1
            var point = order.from
            point.offset = order.range.upperBound
            _ = rewinding.finished(order, with: .success(.init(point: point, slice: [1])))
        }
        #expect(orders == ReadingState.mostLagging)
        _ = rewinding.rest()
        let next = rewinding.nextLagging()
        let lagging = try #require(next)
        #expect(rewinding.finishedLagging(lagging.from).startsReading, "room again")
    }

    @Test func manySourcesAtOnceShareAFewThreads() async throws {
        for number in 0..<200 { try folder.write("f\(number)", randomBytes(4096 + number, seed: UInt64(number))) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask {
                    let source = try await reader.open(.of("f\(number)"), in: folder.path)
                    let observation = try await source.observe()
                    _ = try await readAll(source, to: observation.size)
                    let bytes = randomBytes(4096 + number, seed: UInt64(number))
                    #expect(await source.content() == content(bytes[...]))
                    await source.close()
                }
            }
            try await group.waitForAll()
        }
    }
}
