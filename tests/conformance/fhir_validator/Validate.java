import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.*;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.dstu3.model.*;

/**
 * Validates FHIR STU3 files against published profiles: {@code java Validate.java SPECIFICATIONS EXTENSIONS FILE...}, or
 * against FHIR alone if SPECIFICATIONS is empty. EXTENSIONS is the product's table of published extensions.
 *
 * <p>Prints a line for each finding: file, severity, place and words, with tabs between. What the published profiles
 * lack is made up for in four ways. None makes the validator milder than the profiles mean it to be.
 */
public class Validate {
  private static final String SNOMED = "http://snomed.info/sct";
  private static final String STRUCTURE = "http://hl7.org/fhir/StructureDefinition/";

  public static void main(String[] arguments) throws Exception {
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    FhirContext context = FhirContext.forDstu3();
    DefaultProfileValidationSupport base = new DefaultProfileValidationSupport(context);
    PrePopulatedValidationSupport published = new PrePopulatedValidationSupport(context);
    Set<String> extensions = new TreeSet<>();
    Set<String> targets = new TreeSet<>();
    for (String folder : arguments[0].isEmpty() ? List.<String>of() : List.of("profiles", "codesystems")) {
      for (Path file : files(Path.of(arguments[0], folder))) {
        Resource resource = (Resource) context.newXmlParser().parseResource(text(file));
        if (resource instanceof StructureDefinition profile) {
          extensions.addAll(named(profile, true));
          targets.addAll(named(profile, false));
          published.addStructureDefinition(mended(profile));
        } else if (resource instanceof CodeSystem system) {
          published.addCodeSystem(system);
          if (system.hasValueSet()) {
            published.addValueSet(allOf(system));
          }
        }
      }
    }
    List<String> table = Files.readAllLines(Path.of(arguments[1]));
    for (String url : extensions) {
      if (published.fetchStructureDefinition(url) == null && base.fetchStructureDefinition(url) == null) {
        published.addStructureDefinition(extension(url, table));
      }
    }
    for (String url : targets) {
      Matcher type = Pattern.compile("CareConnect-(?:\\w+-)*?(\\w+)-\\d").matcher(url);
      if (published.fetchStructureDefinition(url) == null && type.find()) {
        published.addStructureDefinition(stub(url, type.group(1)));
      }
    }
    FhirInstanceValidator profiles = new FhirInstanceValidator(new CachingValidationSupport(
        new ValidationSupportChain(base, published, new CommonCodeSystemsTerminologyService(context),
            new InMemoryTerminologyServerValidationSupport(context), new SnapshotGeneratingValidationSupport(context))));
    // A resource whose profile is not published here is held to the base definition of its type.
    profiles.setErrorForUnknownProfiles(false);
    FhirValidator validator = context.newValidator().registerValidatorModule(profiles);
    for (String file : List.of(arguments).subList(2, arguments.length)) {
      try {
        for (SingleValidationMessage each : validator.validateWithResult(text(Path.of(file))).getMessages()) {
          String words = each.getMessage().replaceAll("\\s+", " ");
          out.println(String.join("\t", file, each.getSeverity().name(), each.getLocationString(), words));
        }
      } catch (Exception | Error refused) { // the validator itself stumbles over some broken messages
        out.println(String.join("\t", file, "FATAL", "", ("" + refused.getMessage()).replaceAll("\\s+", " ")));
      }
    }
  }

  private static List<Path> files(Path folder) throws Exception {
    try (Stream<Path> found = Files.list(folder)) {
      return found.filter(each -> each.toString().endsWith(".xml")).sorted().toList();
    }
  }

  private static String text(Path file) throws Exception {
    return Files.readString(file).replace("\uFEFF", "");
  }

  /** The extensions that a profile names, or the profiles of other resources. */
  private static List<String> named(StructureDefinition profile, boolean extensions) {
    return profile.getSnapshot().getElement().stream().flatMap(element -> element.getType().stream())
        .filter(type -> "Extension".equals(type.getCode()) == extensions)
        .map(type -> extensions ? type.getProfile() : type.getTargetProfile())
        .filter(url -> url != null && (extensions || url.contains("/CareConnect-"))).toList();
  }

  /**
   * The profile without two faults of its published form. A Bundle's snapshot lists the elements of Resource below
   * entry.resource, and so forbids those of every real resource: it is made afresh from the differential. A slice for
   * SNOMED CT is told by its system, which no one fixed.
   */
  private static StructureDefinition mended(StructureDefinition profile) {
    if ("Bundle".equals(profile.getType())) {
      profile.setSnapshot(null);
    }
    for (ElementDefinition element : profile.getSnapshot().getElement()) {
      if (element.getId().endsWith(":snomedCT.system") && !element.hasFixed()) {
        element.setFixed(new UriType(SNOMED));
      }
    }
    return profile;
  }

  /** The value set that a code system names as all of it. */
  private static ValueSet allOf(CodeSystem system) {
    ValueSet all = new ValueSet();
    all.setUrl(system.getValueSet()).setStatus(Enumerations.PublicationStatus.ACTIVE);
    all.getCompose().addInclude().setSystem(system.getUrl());
    return all;
  }

  /** A stand-in for an extension that is not published beside the profile that names it: any value will do. */
  private static StructureDefinition extension(String url, List<String> table) {
    StructureDefinition extension = stub(url, "Extension").setContextType(StructureDefinition.ExtensionContext.RESOURCE)
        .addContext("Element");
    String row = table.stream().filter(line -> line.contains(" " + url.substring(url.lastIndexOf('/') + 1) + " "))
        .findFirst().orElse("");
    for (Matcher part = Pattern.compile("[( ](\\w+)[!?*]").matcher(row); part.find();) {
      String id = "Extension.extension:" + part.group(1);
      add(extension, "Extension.extension", id).setSliceName(part.group(1));
      add(extension, "Extension.extension.url", id + ".url").setFixed(new UriType(part.group(1)));
    }
    boolean hasParts = extension.getDifferential().getElement().size() > 1;
    add(extension, "Extension.url", "Extension.url").setFixed(new UriType(url));
    if (hasParts) {
      add(extension, "Extension.value[x]", "Extension.value[x]").setMax("0");
    }
    return extension;
  }

  /** A stand-in for a profile that is not published: all that FHIR takes. */
  private static StructureDefinition stub(String url, String type) {
    StructureDefinition profile = new StructureDefinition();
    profile.setUrl(url).setName("Stub").setStatus(Enumerations.PublicationStatus.DRAFT).setFhirVersion("3.0.1")
        .setKind("Extension".equals(type) ? StructureDefinition.StructureDefinitionKind.COMPLEXTYPE
            : StructureDefinition.StructureDefinitionKind.RESOURCE)
        .setAbstract(false).setType(type).setBaseDefinition(STRUCTURE + type)
        .setDerivation(StructureDefinition.TypeDerivationRule.CONSTRAINT);
    add(profile, type, type);
    return profile;
  }

  private static ElementDefinition add(StructureDefinition profile, String path, String id) {
    ElementDefinition element = profile.getDifferential().addElement().setPath(path);
    element.setId(id);
    return element;
  }
}
